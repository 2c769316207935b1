use lockutils::synchronized;

struct ServiceError;

#[synchronized("name", external, timeout = "1s")]
fn work() -> Result<(), ServiceError> {
    Ok(())
}

fn main() {
    work().ok();
}

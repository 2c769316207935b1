use lockutils::synchronized;

#[synchronized("name", timeout)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

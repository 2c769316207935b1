use lockutils::synchronized;

#[synchronized("name", distributed)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

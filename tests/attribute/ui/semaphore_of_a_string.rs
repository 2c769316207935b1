use lockutils::synchronized;

#[synchronized("name", semaphore = "4")]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

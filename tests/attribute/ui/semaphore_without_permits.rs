use lockutils::synchronized;

#[synchronized("name", semaphore = 0)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

use lockutils::synchronized;

#[synchronized("name", semaphore = 4, read)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

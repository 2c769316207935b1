use lockutils::synchronized;

#[synchronized("name", reentrant, semaphore = 4)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

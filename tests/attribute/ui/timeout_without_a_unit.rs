use lockutils::synchronized;

#[synchronized("name", timeout = 30)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

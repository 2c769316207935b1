use lockutils::synchronized;

const LIMIT: u64 = 30;

#[synchronized("name", timeout = self::LIMIT)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

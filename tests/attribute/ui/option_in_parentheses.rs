use lockutils::synchronized;

#[synchronized("name", timeout("30s"))]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

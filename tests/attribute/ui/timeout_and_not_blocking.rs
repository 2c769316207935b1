use lockutils::synchronized;

#[synchronized("name", timeout = "1s", blocking = false)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

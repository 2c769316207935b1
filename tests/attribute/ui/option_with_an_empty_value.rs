use lockutils::synchronized;

#[synchronized("name", timeout = , fair)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

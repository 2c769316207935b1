use lockutils::synchronized;

#[synchronized("name", external, internal)]
fn work() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    work().ok();
}

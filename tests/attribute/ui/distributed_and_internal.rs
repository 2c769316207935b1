use lockutils::synchronized;

#[synchronized("name", distributed, internal)]
fn f() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    let _ = f();
}

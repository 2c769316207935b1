use lockutils::synchronized;

#[synchronized("name", distributed, require = Fast)]
fn f() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    let _ = f();
}

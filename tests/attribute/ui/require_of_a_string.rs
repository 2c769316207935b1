use lockutils::synchronized;

#[synchronized("name", distributed, require = "Linearizable")]
fn f() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    let _ = f();
}

use lockutils::synchronized;

#[synchronized("name", external, expires = "30s", identifier = "node-7", require = Linearizable)]
fn f() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    let _ = f();
}

use lockutils::distributed::Promise;
use lockutils::synchronized;

struct Ledger;

impl Ledger {
    const NEEDS: Promise = Promise::Linearizable;

    #[synchronized("name", distributed, require = [Fenced, Self::NEEDS])]
    fn f() -> Result<(), lockutils::Error> {
        Ok(())
    }
}

fn main() {
    let _ = (Ledger::NEEDS, Ledger::f());
}

use lockutils::synchronized;

struct ServiceError;

#[synchronized("name-{id}", blocking = false)]
async fn work(id: u8) -> Result<u8, ServiceError> {
    Ok(id)
}

fn main() {
    drop(work(1));
}

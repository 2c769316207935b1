use lockutils::synchronized;

struct Volume {
    id: u8,
}

#[synchronized("volume-{volume.uuid}")]
fn work(volume: &Volume) -> u8 {
    volume.id
}

fn main() {}

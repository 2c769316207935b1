//! Somebody who ends the sessions of others.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use lockutils_tests::{BOUND, eventually};

/// Ends a session of a server: it is taken over, for which the server wants a password that it makes of the number. Its own
/// client may take it back in between, so this is done until the server does not know it any more.
#[track_caller]
pub(crate) fn end(port: u16, session: i64) {
    eventually("the session is over", || {
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server takes connections");
        stream.set_read_timeout(Some(BOUND)).expect("a limit can be set");
        say(&mut stream, &connect(session));
        // The number of the request, and what it is: the end.
        say(&mut stream, &[1_i32.to_be_bytes(), (-11_i32).to_be_bytes()].concat());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        // Its length, the version, the time, and the session.
        answer.get(12..20) == Some(&[0; 8])
    });
}

fn connect(session: i64) -> Vec<u8> {
    let mut request = Vec::new();
    // The protocol's version, the last change that was seen, and how long the session is to last in milliseconds.
    request.extend(0_i32.to_be_bytes());
    request.extend(0_i64.to_be_bytes());
    request.extend(4000_i32.to_be_bytes());
    request.extend(session.to_be_bytes());
    request.extend(16_i32.to_be_bytes());
    request.extend(password(session));
    request
}

/// What `java.util.Random` makes of a number.
fn password(session: i64) -> [u8; 16] {
    const SECRET: i64 = 0xb341_5c00;
    const FACTOR: u64 = 0x5_deec_e66d;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = ((session ^ SECRET).cast_unsigned() ^ FACTOR) & MASK;
    let mut bytes = [0; 16];
    for part in bytes.chunks_mut(4) {
        state = state.wrapping_mul(FACTOR).wrapping_add(0xb) & MASK;
        part.copy_from_slice(&(state >> 16).to_le_bytes()[..4]);
    }
    bytes
}

fn say(stream: &mut TcpStream, message: &[u8]) {
    let length = i32::try_from(message.len()).expect("it is short");
    // It may have been taken back by now.
    let _ = stream.write_all(&[&length.to_be_bytes(), message].concat());
}

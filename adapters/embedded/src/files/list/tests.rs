//! What is read of a list, given bytes that fit no checksum: an error, never a panic.

use super::*;

/// A list of two tables, as the engine writes one, less what does not matter here.
fn a_list() -> Vec<u8> {
    let mut tables = vec![1, 1];
    tables.extend(2u32.to_le_bytes());
    for id in [7u64, 9] {
        tables.extend(id.to_le_bytes());
        tables.push(0);
        tables.extend(u128::from(id).to_le_bytes());
        tables.extend(0u64.to_le_bytes());
    }
    let mut toc = b"TOC!".to_vec();
    toc.extend(2u32.to_le_bytes());
    for (name, from, len) in [("head", 0, 3), ("tables", 3, tables.len() as u64)] {
        toc.extend(u64::to_le_bytes(from));
        toc.extend(len.to_le_bytes());
        toc.extend((name.len() as u16).to_le_bytes());
        toc.extend(name.as_bytes());
    }
    let mut out = b"abc".to_vec();
    out.extend(&tables);
    let at = out.len() as u64;
    out.extend(&toc);
    out.extend(b"SFA!\x01\0");
    out.extend(xxh3_128(&toc).to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend((toc.len() as u64).to_le_bytes());
    out
}

fn tables_of(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    listed(bytes)
}

#[test]
fn a_list_names_its_tables() {
    let tables = tables_of(&a_list()).unwrap();
    let found: Vec<_> = tables.iter().map(|t| (t.id, t.checksum)).collect();
    assert_eq!(found, [(7, 7), (9, 9)]);
}

#[test]
fn bytes_that_are_cut_or_changed_never_panic() {
    let whole = a_list();
    for at in 0..whole.len() {
        assert!(tables_of(&whole[..at]).is_err(), "cut at {at}");
        for bits in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= bits;
            // The checksum of the whole is not this function's; what it may not do is panic, or
            // make room by a count that is wrong.
            let _ = tables_of(&bytes);
        }
    }
}

#[test]
fn a_pointer_is_read_only_if_it_is_one() {
    let mut bytes = 3u64.to_le_bytes().to_vec();
    bytes.extend(4u128.to_le_bytes());
    bytes.push(0);
    assert_eq!(pointer(&bytes), Ok((3, 4)));
    for at in 0..bytes.len() {
        assert!(pointer(&bytes[..at]).is_err(), "cut at {at}");
    }
    *bytes.last_mut().unwrap() = 1;
    assert!(pointer(&bytes).is_err());
}

//! What comes out of a stream when what goes in is not as it should be.

use std::io::Write;

use futures_util::StreamExt;
use tokio::fs::File;

use super::*;
use crate::images::downloads::{Client, Downloads};

const NODE: &str = "ee490fb7-d420-4b2f-8153-8a674b930740";
const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn opened(content: &[u8], total: u64, check: Option<Check>) -> OpenImage {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let node = NODE.parse().unwrap();
    let permit = Downloads::new(1).take(Client { node, peer: None }).unwrap();
    OpenImage {
        total,
        part: None,
        source: Source::File(File::from_std(file)),
        check,
        idle_timeout: Duration::from_secs(30),
        permit,
    }
}

/// The bytes that come, and the error at their end.
async fn read(opened: OpenImage) -> (Vec<u8>, Option<String>) {
    let transfer = Transfer {
        request_id: "req-1".into(),
        node: NODE.parse().unwrap(),
        kind: ImageKind::Kernel,
        image: "file:///x".into(),
    };
    let mut stream = Box::pin(opened.stream(transfer));
    let mut got = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => got.extend_from_slice(&piece),
            Err(error) => return (got, Some(error.to_string())),
        }
    }
    (got, None)
}

#[tokio::test]
async fn stream_has_exactly_the_announced_length() {
    assert_eq!(read(opened(b"", 0, None)).await, (vec![], None));
    let content: Vec<u8> = (0..300_000_u32).map(|it| it.to_le_bytes()[0]).collect();
    let (got, error) = read(opened(&content, 300_000, None)).await;
    assert_eq!((got.len(), error), (300_000, None));
    assert_eq!(got, content);
    // A file that has grown meanwhile.
    let (got, error) = read(opened(&content, 299_999, None)).await;
    assert_eq!((got.len(), error), (299_999, None));
    // And one that has shrunk: what is there comes, but for the last piece, and then an error.
    let (got, error) = read(opened(&content, 300_001, None)).await;
    assert!(got.len() < 300_000, "{}", got.len());
    assert!(error.unwrap().contains("1 bytes too early"));
}

#[tokio::test]
async fn damaged_image_is_never_sent_completely() {
    for (algorithm, value) in [
        ("sha256", SHA256_OF_ABC),
        ("md5", "900150983CD24FB0D6963F7D28E17F72"),
    ] {
        let check = Check::new(algorithm, value).unwrap();
        let (got, error) = read(opened(b"abc", 3, Some(check.clone()))).await;
        assert_eq!((got.as_slice(), error), (b"abc".as_slice(), None));
        let (got, error) = read(opened(b"abd", 3, Some(check))).await;
        assert!(got.is_empty());
        assert!(error.unwrap().contains("corrupt"));
    }
}

#[tokio::test]
async fn partial_download_is_not_verified() {
    let check = Check::new("sha256", SHA256_OF_ABC);
    let mut part = opened(b"xbc", 3, check);
    part.part = Some((0, 1));
    assert_eq!(part.length(), 2);
    assert_eq!(read(part).await, (b"xb".to_vec(), None));
}

#[test]
fn only_supported_digests_are_verified() {
    assert!(Check::new("sha512", &"0".repeat(128)).is_some());
    for (algorithm, value) in [
        ("sha512", "00".to_owned()),
        ("md5", "z".repeat(32)),
        ("blake2b", "0".repeat(128)),
    ] {
        assert!(Check::new(algorithm, &value).is_none(), "{algorithm}");
    }
}

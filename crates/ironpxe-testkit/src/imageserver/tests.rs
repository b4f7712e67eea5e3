//! The image server as its clients see it: bytes on a socket.

use super::*;
use std::io::Read;

const SOON: Duration = crate::wait::TIMEOUT;

/// Sends `request` on a connection of its own and returns all that comes back until it ends.
fn raw(server: &ImageServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(server: &ImageServer, path: &str) -> String {
    raw(
        server,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
}

#[test]
fn file_is_served_with_its_length_and_the_client_is_logged() {
    let server = ImageServer::start().unwrap();
    server.serve("/kernel", *b"0123456789");
    let answer = get(&server, "/kernel?node=a%20b");
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
    );
    let request = server.wait_for("/kernel", 200, SOON).unwrap();
    let seen = (
        request.method.as_str(),
        request.query.as_str(),
        request.bytes,
    );
    assert_eq!(seen, ("GET", "node=a%20b", 10));
}

#[test]
fn head_returns_the_length_and_no_body() {
    let server = ImageServer::start().unwrap();
    server.serve("/kernel", *b"0123456789");
    let answer = raw(
        &server,
        "HEAD /kernel HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
}

#[test]
fn one_connection_serves_many_requests() {
    let server = ImageServer::start().unwrap();
    server.serve("/a", *b"A");
    let answer = raw(
        &server,
        "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz\
         GET /missing HTTP/1.1\r\n\r\n\
         GET /a HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(
        answer,
        "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n\
         HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA"
    );
    assert_eq!(server.requests_to("/a").len(), 2);
}

#[test]
fn ordered_fault_ends_after_its_number_of_requests() {
    let server = ImageServer::start().unwrap();
    server.serve("/kernel", *b"K");
    server.fail_next("/kernel", 1, Answer::status(503).header("Retry-After", "1"));
    let fault = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(get(&server, "/kernel?x=1"), fault);
    assert_eq!(
        get(&server, "/kernel"),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nK"
    );
}

#[test]
fn other_paths_are_relayed_to_the_upstream_server() {
    let behind = ImageServer::start().unwrap();
    behind.serve("/script", *b"#!ipxe\n");
    let front = ImageServer::start().unwrap();
    front.relay_to(&behind.local_url("")).unwrap();
    front.fail_next("/script", 1, Answer::status(500));
    assert!(get(&front, "/script?mac=1").starts_with("HTTP/1.1 500 "));
    assert!(behind.requests.entries().is_empty());
    let answer = get(&front, "/script?mac=1");
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n#!ipxe\n"
    );
    // A request is noted when its answer has been sent.
    let asked = behind.wait_for("/script", 200, SOON).unwrap();
    assert_eq!(asked.query, "mac=1");
    let passed = front.wait_for("/script", 200, SOON).unwrap();
    assert_eq!(passed.bytes, 7);
}

#[test]
fn chunked_and_unbounded_bodies_are_relayed_unchanged() {
    for (framing, body) in [
        (
            "Transfer-Encoding: chunked",
            "4;ext=1\r\n#!ip\r\n3\r\nxe\n\r\n0\r\nTrailer: x\r\n\r\n",
        ),
        ("Connection: close", "#!ipxe\n"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = ImageServer::start().unwrap();
        front
            .relay_to(&format!("http://{}", listener.local_addr().unwrap()))
            .unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}");
        let sent = answer.clone();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            Head::read(&mut BufReader::new(&stream)).unwrap();
            (&stream).write_all(sent.as_bytes()).unwrap();
        });
        assert_eq!(get(&front, "/script"), answer);
    }
}

#[test]
fn unreachable_upstream_server_gives_502() {
    let front = ImageServer::start().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    front.relay_to(&format!("http://{closed}")).unwrap();
    assert!(get(&front, "/").starts_with("HTTP/1.1 502 "));
    assert!(front.relay_to("http://host/path").is_err());
}

#[test]
fn file_in_the_folder_is_served_as_it_is_now_and_nothing_outside() {
    let server = ImageServer::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("http")).unwrap();
    std::fs::write(folder.path().join("secret"), "no").unwrap();
    server.serve_folder(folder.path().join("http"));
    assert!(get(&server, "/new").starts_with("HTTP/1.1 404"));
    std::fs::write(folder.path().join("http/new"), "now").unwrap();
    assert!(get(&server, "/new").ends_with("\r\n\r\nnow"));
    assert!(get(&server, "/../secret").starts_with("HTTP/1.1 404"));
}

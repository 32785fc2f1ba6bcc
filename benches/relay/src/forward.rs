//! The ceiling: bytes from one socket to the other and nothing else.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

/// As large as the proxy's reads, so that neither saves system calls over the other.
const BUFFER: usize = 64 << 10;

/// Relays every connection of `listen` to a connection of its own to `to`, for ever.
pub(crate) async fn serve(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = pair(client, to).await {
                eprintln!("relay: {error}");
            }
        });
    }
}

async fn pair(mut client: TcpStream, to: SocketAddr) -> std::io::Result<()> {
    let mut source = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    source.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut source, BUFFER, BUFFER).await?;
    Ok(())
}

//! What stands before the replicas: each connection goes to the next of them, and all can be cut at once.

use server::Fault;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    behind: Arc<[SocketAddr]>,
    turn: Arc<AtomicUsize>,
    cuts: watch::Sender<u64>,
}

impl Proxy {
    pub async fn start(behind: Vec<SocketAddr>) -> Result<Proxy, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let proxy = Proxy { address, behind: behind.into(), turn: Arc::default(), cuts: watch::channel(0).0 };
        let here = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(here.clone().carry(client));
            }
        });
        Ok(proxy)
    }

    /// Ends every connection that stands.
    pub fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    async fn carry(self, mut client: TcpStream) {
        let mut cuts = self.cuts.subscribe();
        let behind = &self.behind;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for k in 0..behind.len() {
            // Whoever refuses is passed over.
            let Ok(mut replica) = TcpStream::connect(behind[(turn + k) % behind.len()]).await else { continue };
            let _ = (client.set_nodelay(true), replica.set_nodelay(true));
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut replica) => {}
                _ = cuts.changed() => {}
            }
            return;
        }
    }
}

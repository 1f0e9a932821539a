//! Rides through tunnels and over the end of tokens, each phone in a network of its own in memory.

use super::*;
use std::sync::mpsc::{Receiver, channel};
use wse::{Backoff, Client, Handlers};
use wse_test::{Cut, Net};

const S: Duration = Duration::from_secs(1);
struct Phone(Client, Net, Receiver<String>);

impl Phone {
    async fn new(taxis: &Arc<Taxis>, server: &Server, name: &'static str, drives: bool) -> Phone {
        let (net, taxis, (log, told)) = (Net::new(server), taxis.clone(), channel());
        let tokens = log.clone();
        let any = Handlers::<Client>::new().fallback(async move |_, said| {
            log.send(format!("{} {}", said.name, said.payload.decode::<serde_json::Value>()?))?;
            Ok(name)
        });
        let client = net.client().handlers(any).reconnect(Backoff { max: S / 20, ..Backoff::default() });
        let client = client.identity_with(async move || {
            tokens.send("token".into())?;
            Ok(taxis.token(name, drives, 60 * S))
        });
        let phone = Phone(client.connect().await.unwrap(), net, told);
        phone.drive(if drives { 0..1 } else { 0..0 }).await;
        phone
    }

    /// Tells ten positions a second.
    async fn drive(&self, places: std::ops::Range<u8>) {
        for place in places {
            self.0.send(POSITION.latest(""), (f64::from(place) / 64.0, 0.0)).unwrap();
            sleep(S / 10).await;
        }
    }

    fn told(&self, what: &str) -> Vec<String> {
        self.2.try_iter().filter(|line| line.starts_with(what)).collect()
    }
}

async fn start() -> (Arc<Taxis>, Server, Phone, Phone) {
    let taxis = Arc::new(Taxis::default());
    let server = taxis.server();
    let dora = Phone::new(&taxis, &server, "dora", true).await;
    let rita = Phone::new(&taxis, &server, "rita", false).await;
    (taxis, server, dora, rita)
}

#[tokio::test(start_paused = true)]
async fn after_a_tunnel_one_position_is_told_and_it_is_the_true_one() {
    for cut in [Cut::Reset, Cut::ClientOnly] {
        let (taxis, server, dora, rita) = start().await;
        assert_eq!(rita.0.call(RIDE, (0.0, 0.0)).await.unwrap(), "dora");
        dora.drive(1..10).await;
        assert_eq!(rita.told("position").len(), 9);
        let (tell, told) = channel();
        server.on(POSITION, async move |_, at| Ok(tell.send(at)?));
        dora.1.faults().cut_as(cut).refuse().cut();
        dora.drive(10..210).await;
        dora.1.faults().heal();
        sleep(S / 10).await;
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [(3.265625, 0.0)]);
        let friend = Phone::new(&taxis, &server, "fred", false).await; // comes late
        server.user("fred").join(&track(&ride_of(&server.user("rita").conns()[0]).unwrap())).unwrap();
        sleep(60 * S).await;
        let told = (rita.told("position"), friend.told("position"), told.try_iter().count());
        assert_eq!(told, (vec!["position [3.265625,0.0]".into()], vec!["position [3.265625,0.0]".into()], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_offer_to_a_driver_in_a_tunnel_is_not_delivered_after_its_time_and_another_drives() {
    for cut in [Cut::Reset, Cut::ClientOnly] {
        let (taxis, server, dora, rita) = start().await;
        dora.1.faults().cut_as(cut).refuse().cut();
        let ride = tokio::spawn(async move { rita.0.call_within(60 * S, RIDE, (0.0, 0.0)).await });
        sleep(15 * S).await; // the offer has timed out
        let dan = Phone::new(&taxis, &server, "dan", true).await;
        assert_eq!(ride.await.unwrap().unwrap(), "dan");
        dora.1.faults().heal();
        sleep(60 * S).await;
        assert_eq!([&dora, &dan].map(|phone| phone.told("offer").len()), [0, 1]);
        taxis.0.send_modify(|tokens| tokens.retain(|_, (whose, ..)| whose != "dora"));
        assert_eq!(server.revoke(|conn| conn.cid().as_str() == "dora"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_are_renewed_and_nobody_sees_it() {
    let (_taxis, server, dora, rita) = start().await;
    rita.0.call(RIDE, (0.0, 0.0)).await.unwrap();
    sleep(S).await;
    assert!(!rita.told("wse:presence").is_empty() && !dora.told("wse:presence").is_empty());
    let (tell, events) = channel();
    server.when(async move |event| _ = tell.send(format!("{event:?}")));
    sleep(600 * S).await;
    for told in [dora.told(""), rita.told("")] {
        assert!(told.len() >= 10 && told.iter().all(|line| line == "token"), "{told:?}");
    }
    assert_eq!(events.try_iter().count(), 0);
    dora.0.close("").await;
    sleep(S).await;
    assert_eq!(rita.told("wse:presence").len(), 1, "offline");
}

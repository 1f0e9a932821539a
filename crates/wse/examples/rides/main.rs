//! A taxi service: tokens that end, offers to the free drivers nearby, a room for each ride with its presence, and
//! positions of which only the newest counts. `cargo run -p wse --example rides` serves it on port 4200.

#[cfg(test)]
mod tests;

use std::{collections::HashMap, error::Error, sync::Arc, time::Duration, time::SystemTime};
use tokio::{sync::watch, time::sleep};
use wse::{Audience, Conn, DeviceId, Event, Msg, Room, Rp, RpError, Server, Stranger, Verdict};
use wse::{cancellable, guard, with};

type Place = (f64, f64); // kilometres to the east and to the north of the town hall
type Person = (bool, watch::Sender<Option<Place>>); // the state of a connection: whether it drives, and where it is

const POSITION: Msg<Place> = Msg::new("position");
const SAY: Msg<String> = Msg::new("say");
const SAID: Msg<(String, String)> = Msg::new("said");
const ENDED: Msg<()> = Msg::new("ended");
const RIDE: Rp<Place, String> = Rp::new("ride"); // of a rider: from where; the answer is what the driver said
const OFFER: Rp<Place, String> = Rp::new("offer"); // of a driver: a result accepts, an error declines
const END: Rp<(), ()> = Rp::new("end");
const FREE_DRIVERS: &str = "free drivers";
const FREE_RIDERS: &str = "free riders";

/// Knows for each token who has it, whether that is a driver, and when it ends.
#[derive(Default)]
struct Taxis(watch::Sender<HashMap<String, (String, bool, SystemTime)>>);

impl Taxis {
    fn server(self: &Arc<Self>) -> Server {
        Server::builder()
            .identify(with(self, Taxis::identify))
            .when(async |event| {
                let Event::Connected(conn) = event else { return };
                wait(&conn);
            })
            .on(POSITION, guard(role(true), position))
            .on(SAY, async |conn, text| {
                ride_of(&conn)?.except(&conn).send(SAID, (conn.cid().to_string(), text))?;
                Ok(())
            })
            .register(RIDE, guard(role(false), cancellable(ride)))
            .register(END, async |conn, ()| {
                let ride = ride_of(&conn)?;
                ride.members().iter().filter(|member| member.leave(ride.name())).for_each(|member| part(&ride, member));
                Ok(())
            })
            .build()
    }

    fn token(&self, name: &str, drives: bool, life: Duration) -> String {
        let (token, now) = (format!("{:x}", rand::random::<u128>()), SystemTime::now());
        self.0.send_modify(|tokens| tokens.retain(|_, (.., ends)| *ends > now));
        self.0.send_modify(|tokens| _ = tokens.insert(token.clone(), (name.to_owned(), drives, now + life)));
        token
    }

    async fn identify(self: Arc<Self>, stranger: Stranger, token: String) -> Result<Verdict, RpError> {
        let Some((name, drives, ends)) = self.0.borrow().get(&token).cloned() else { return Ok(stranger.refuse()) };
        // With its next token a driver is still where it was.
        let before = stranger.resumes().and_then(|conn| conn.state::<Person>());
        let at = before.map(|person| person.1.clone()).unwrap_or_default();
        Ok(stranger.accept(name).state::<Person>((drives, at)).until(ends))
    }
}

fn role(driver: bool) -> impl Fn(&Conn) -> Result<(), RpError> + Clone {
    move |conn| {
        let drives = conn.state::<Person>().is_some_and(|person| person.0);
        if drives == driver { Ok(()) } else { Err(RpError::new("not-your-role")) }
    }
}

/// Who has no ride is in the room of the free. Whoever has left the service meanwhile needs no room.
fn wait(conn: &Conn) {
    _ = conn.join(if role(true)(conn).is_ok() { FREE_DRIVERS } else { FREE_RIDERS });
}

/// Asks the free drivers nearby until one accepts.
async fn ride(rider: Conn, from: Place) -> Result<String, RpError> {
    let free = rider.server().room(FREE_DRIVERS);
    let is_near = |at: Place| (at.0 - from.0).hypot(at.1 - from.1) < 5.0;
    let is_far = |driver: &&Conn| !driver.state::<Person>().and_then(|person| *person.1.borrow()).is_some_and(is_near);
    for _ in 0..6 {
        let near = free.members().iter().filter(is_far).fold(free.except(&rider), Audience::except);
        match near.ask(OFFER, from).within(Duration::from_secs(10)).first().await {
            Ok((driver, answer)) if meet(&rider, driver)? => return Ok(answer),
            _ => sleep(Duration::from_secs(1)).await, // others may be free by then
        }
    }
    Err(RpError::new("none-free"))
}

/// Puts both into a room. Whoever is taken leaves the room of the free, which succeeds once: so nobody is in two
/// rides, however many have asked.
fn meet(rider: &Conn, driver: DeviceId) -> Result<bool, RpError> {
    let driver = rider.server().device(driver).conn();
    let Some(driver) = driver.filter(|driver| driver.leave(FREE_DRIVERS)) else { return Ok(false) };
    if !rider.leave(FREE_RIDERS) {
        wait(&driver);
        return Err(RpError::new("has-a-ride"));
    }
    let ride = rider.server().room(format!("ride {:x}", rand::random::<u128>()));
    let enter = |who: &Conn| who.join(ride.name()).and_then(|()| who.presence_for(ride.name()));
    let begun = enter(&driver).and_then(|()| enter(rider)).and_then(|()| rider.join(&track(&ride)));
    Ok(begun.inspect_err(|_| [&driver, rider].into_iter().for_each(|who| part(&ride, who))).map(|()| true)?)
}

/// The room for the position of a ride's driver, without the driver: it would be told, too.
fn track(ride: &Room) -> String {
    format!("track of {ride}")
}

fn ride_of(conn: &Conn) -> Result<Room, RpError> {
    let ride = conn.rooms().into_iter().find(|room| room.starts_with("ride "));
    Ok(conn.server().room(ride.ok_or_else(|| RpError::new("no-ride"))?))
}

async fn position(driver: Conn, at: Place) -> Result<(), RpError> {
    driver.state::<Person>().map(|person| person.1.send_replace(Some(at)));
    if let Ok(ride) = ride_of(&driver) {
        driver.server().room(track(&ride)).retain(POSITION.latest(""), at)?;
    }
    Ok(())
}

fn part(ride: &Room, who: &Conn) {
    who.leave(ride.name());
    who.leave(&track(ride));
    _ = who.send(ENDED, ());
    wait(who);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let taxis = Arc::new(Taxis::default());
    let token = |name, drives| taxis.token(name, drives, Duration::from_secs(3600));
    println!("log in as a driver with {}, as a rider with {}", token("dora", true), token("rita", false));
    Ok(taxis.server().listen("127.0.0.1:4200").await?)
}

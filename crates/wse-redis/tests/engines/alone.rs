//! One Redis, or one Valkey.

use wse_redis::Redis;
use wse_test_peers::bus::{Engine, RedisServers, built, redis};

struct Alone(RedisServers);

impl Engine for Alone {
    type Bus = Redis;

    fn bus(&self) -> Redis {
        Redis::connect(&format!("redis://127.0.0.1:{}", self.0.ports[0])).unwrap()
    }

    fn kill(&mut self) {
        self.0.servers[0].kill();
    }

    fn restart(&mut self) {
        self.0.servers[0].restart();
    }

    fn stop(&mut self) {
        self.0.servers[0].stop();
    }

    fn resume(&mut self) {
        self.0.servers[0].resume();
    }
}

macro_rules! checks {
    ($start:expr) => {
        wse_test_peers::bus_checks!(
            $start;
            datagrams_reach_those_they_are_for,
            datagrams_of_every_size_come_whole,
            datagrams_come_in_order,
            nobody_at_an_inbox_is_told_at_once,
            an_engine_that_is_killed_comes_back,
            an_engine_that_stops_for_a_while_is_waited_for,
            an_engine_may_come_later,
            a_bus_connects_again_when_it_is_told_to,
            a_bus_ends_with_its_server,
            a_reader_that_stands_still_is_not_read_for,
        );
    };
}

mod oldest {
    use super::*;
    checks!(Alone(redis("/usr/bin/redis-server", 1, &[])));
}

mod newest {
    use super::*;
    checks!(Alone(redis(&built("valkey-server").display().to_string(), 1, &[])));
}

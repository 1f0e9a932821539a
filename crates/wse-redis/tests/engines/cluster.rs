//! A Redis Cluster of three masters.

use wse_redis::Redis;
use wse_test_peers::bus::{Engine, RedisServers, redis};

struct Three(RedisServers);

impl Engine for Three {
    type Bus = Redis;

    fn bus(&self) -> Redis {
        Redis::cluster(self.0.ports.iter().map(|port| format!("127.0.0.1:{port}"))).unwrap()
    }

    /// One master: a third of the inboxes.
    fn kill(&mut self) {
        self.0.servers[1].kill();
    }

    fn restart(&mut self) {
        self.0.servers[1].restart();
    }

    fn stop(&mut self) {
        self.0.servers[1].stop();
    }

    fn resume(&mut self) {
        self.0.servers[1].resume();
    }
}

wse_test_peers::bus_checks!(
    Three(redis("/usr/bin/redis-server", 3, &[]));
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

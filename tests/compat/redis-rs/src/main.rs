// SPDX-License-Identifier: Apache-2.0
// See ../../README.md for what every client does here.
use redis::{Commands, ConnectionLike, RedisResult};
use std::time::{Duration, Instant};

fn check(condition: bool, what: &str) {
    if !condition {
        println!("WRONG {what}");
        std::process::exit(1);
    }
}

fn first<C: ConnectionLike>(connection: &mut C) -> RedisResult<()> {
    let _: () = connection.set("compat:k", "v\0\r\n")?;
    let read: String = connection.get("compat:k")?;
    check(read == "v\0\r\n", "get");
    let _: () = connection.del("compat:n")?;
    Ok(())
}

fn load<C: ConnectionLike>(mut connect: impl FnMut() -> RedisResult<C>) -> RedisResult<()> {
    let mut connection = Some(connect()?);
    let (mut sets, mut errors, mut acknowledged) = (0, 0, 0i64);
    let end = Instant::now() + Duration::from_secs(6);
    let mut i = 0i64;
    while Instant::now() < end {
        i += 1;
        let Some(c) = connection.as_mut() else {
            connection = connect().ok();
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let result: RedisResult<i64> = c.set::<_, _, ()>("compat:seq", i).and_then(|_| {
            acknowledged = i;
            sets += 1;
            c.get("compat:seq")
        });
        match result {
            Ok(read) => check(read >= acknowledged, &format!("read {read} after {acknowledged}")),
            Err(_) => {
                errors += 1;
                connection = None;
            }
        }
    }
    let last: i64 = connect()?.get("compat:seq")?;
    check(last >= acknowledged, "the last write");
    println!("DONE sets={sets} errors={errors}");
    Ok(())
}

fn main() -> RedisResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let url = format!("redis://127.0.0.1:{}", arguments[2]);
    if arguments[1] == "cluster" {
        let client = redis::cluster::ClusterClient::new(vec![url])?;
        let mut connection = client.get_connection()?;
        first(&mut connection)?;
        let mut pipeline = redis::cluster::cluster_pipe();
        for _ in 0..100 {
            pipeline.incr("compat:n", 1);
        }
        let replies: Vec<i64> = pipeline.query(&mut connection)?;
        check(replies[99] == 100, "pipeline");
        println!("READY");
        load(|| client.get_connection())
    } else {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_connection()?;
        first(&mut connection)?;
        let mut pipeline = redis::pipe();
        for _ in 0..100 {
            pipeline.incr("compat:n", 1);
        }
        let replies: Vec<i64> = pipeline.query(&mut connection)?;
        check(replies[99] == 100, "pipeline");
        println!("READY");
        load(|| client.get_connection())
    }
}

// SPDX-License-Identifier: Apache-2.0
// See ../README.md for what every client does here.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

func check(condition bool, what string) {
	if !condition {
		fmt.Println("WRONG " + what)
		os.Exit(1)
	}
}

func main() {
	ctx := context.Background()
	address := "127.0.0.1:" + os.Args[2]
	var client redis.UniversalClient
	if os.Args[1] == "cluster" {
		client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{address}})
	} else {
		client = redis.NewClient(&redis.Options{Addr: address})
	}
	check(client.Set(ctx, "compat:k", "v\x00\r\n", 0).Err() == nil, "set")
	check(client.Get(ctx, "compat:k").Val() == "v\x00\r\n", "get")
	client.Del(ctx, "compat:n")
	pipeline := client.Pipeline()
	var last *redis.IntCmd
	for i := 0; i < 100; i++ {
		last = pipeline.Incr(ctx, "compat:n")
	}
	_, err := pipeline.Exec(ctx)
	check(err == nil && last.Val() == 100, "pipeline")
	fmt.Println("READY")

	sets, errors, acknowledged := 0, 0, 0
	end := time.Now().Add(6 * time.Second)
	for i := 1; time.Now().Before(end); i++ {
		if client.Set(ctx, "compat:seq", i, 0).Err() != nil {
			errors++
			// This library looks for a new master when its map is ten seconds old; an application that
			// cannot wait says so.
			if cluster, is := client.(*redis.ClusterClient); is {
				cluster.ReloadState(ctx)
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		acknowledged = i
		sets++
		text, err := client.Get(ctx, "compat:seq").Result()
		if err != nil {
			errors++
			continue
		}
		read, _ := strconv.Atoi(text)
		check(read >= acknowledged, fmt.Sprintf("read %d after %d", read, acknowledged))
	}
	text, err := client.Get(ctx, "compat:seq").Result()
	final, _ := strconv.Atoi(text)
	check(final >= acknowledged, fmt.Sprintf("the last write: %v (sets=%d errors=%d)", err, sets, errors))
	fmt.Printf("DONE sets=%d errors=%d\n", sets, errors)
}

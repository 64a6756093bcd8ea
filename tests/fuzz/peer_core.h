// SPDX-License-Identifier: Apache-2.0
//
// One core and two peers that are made up: every input a core has, in any order, with messages that
// were decoded from bytes or drawn. After each input all invariants of the core must hold.
//
// Two things are left out, because only a peer that breaks Raft's own rules can cause them and the
// core is right to stop (they are its KV_CHECKs "two leaders in one term" and "the leader's log
// contradicts a committed entry"): each term has one leader, chosen by its number, and a leader's
// entries agree with what is committed here.
#pragma once

#include "tests/model/choices.h"

namespace kvorum::fuzz {

void LiveAmongLiars(model::ByteChoices& in);

}  // namespace kvorum::fuzz

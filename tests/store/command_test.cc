// SPDX-License-Identifier: Apache-2.0
#include "store/command.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "store/families.h"
#include "tests/store/printable.h"

namespace kvorum::store {
namespace {

using Views = std::vector<std::string_view>;

std::string Error(const Views& argv) {
  std::string out;
  resp::Reply reply(&out);
  EXPECT_EQ(StoreIndex().Resolve(argv, reply), nullptr);
  return Printable(out);
}

// A number in the log means the same command for ever.
TEST(Commands, OpcodesAreGolden) {
  std::map<uint16_t, std::string_view> names;
  for (const CommandRow* row : StoreIndex().rows()) {
    if (row->opcode != Opcode::kNone) names[static_cast<uint16_t>(row->opcode)] = row->name;
  }
  for (const CommandRow& row : LogOnlyCommands()) {
    names[static_cast<uint16_t>(row.opcode)] = row.name;
  }
  std::string seen;
  for (const auto& [number, name] : names) {
    seen += std::to_string(number) + " " + std::string(name) + "\n";
  }
  EXPECT_EQ(names.size() + 1, kOpcodeEnd);
  std::ifstream file(std::string(KVORUM_SOURCE_DIR) + "/tests/store/opcodes.golden");
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(seen, golden.str());
}

TEST(Commands, FoundInAnyCase) {
  ASSERT_NE(StoreIndex().Find("get"), nullptr);
  EXPECT_EQ(StoreIndex().Find("GeT"), StoreIndex().Find("get"));
  EXPECT_EQ(StoreIndex().Find(""), nullptr);
  EXPECT_EQ(StoreIndex().Find("gets"), nullptr);
  EXPECT_EQ(StoreIndex().Find(std::string(1000, 'g')), nullptr);
  EXPECT_EQ(StoreIndex().Find(Opcode::kSet), StoreIndex().Find("set"));
  EXPECT_EQ(StoreIndex().Find(Opcode::kNone), nullptr);
  EXPECT_EQ(StoreIndex().Find(static_cast<Opcode>(60000)), nullptr);
  EXPECT_EQ(CommandIndex::FindSubcommand(*StoreIndex().Find("object"), "ENCODING")->name,
            "object|encoding");
}

TEST(Commands, BadInput21UnknownCommand) {
  EXPECT_EQ(Error({"FOO", "a", "b"}),
            "(error) ERR unknown command 'FOO', with args beginning with: 'a' 'b' ");
  EXPECT_EQ(Error({"FOO"}), "(error) ERR unknown command 'FOO', with args beginning with: ");
  const std::string longer(200, 'x');
  EXPECT_EQ(Error({longer, longer, "b"}), "(error) ERR unknown command '" + longer.substr(0, 128) +
                                              "', with args beginning with: '" +
                                              longer.substr(0, 128) + "' ");
}

TEST(Commands, BadInput22NoLineBreaksInErrors) {
  EXPECT_EQ(Error({"FOO\r\n+OK\r\n", "a\r\nb"}),
            "(error) ERR unknown command 'FOO  +OK  ', with args beginning with: 'a  b' ");
}

TEST(Commands, BadInput23Arity) {
  EXPECT_EQ(Error({"GET"}), "(error) ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(Error({"GET", "a", "b"}), "(error) ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(Error({"OBJECT"}), "(error) ERR wrong number of arguments for 'object' command");
  EXPECT_EQ(Error({"OBJECT", "ENCODING"}),
            "(error) ERR wrong number of arguments for 'object|encoding' command");
}

TEST(Commands, BadInput24Subcommand) {
  EXPECT_EQ(Error({"OBJECT", "FOO"}), "(error) ERR unknown subcommand 'FOO'. Try OBJECT HELP.");
}

TEST(Commands, Keys) {
  const auto keys = [](const Views& argv) {
    std::string out;
    resp::Reply reply(&out);
    KeyList list;
    KeysOf(*StoreIndex().Resolve(argv, reply), argv, list);
    return Views(list.begin(), list.end());
  };
  EXPECT_EQ(keys({"GET", "a"}), (Views{"a"}));
  EXPECT_EQ(keys({"DEL", "a", "b", "c"}), (Views{"a", "b", "c"}));
  EXPECT_EQ(keys({"MSET", "a", "1", "b", "2"}), (Views{"a", "b"}));
  EXPECT_EQ(keys({"MSET", "a", "1", "b"}), (Views{"a", "b"}));
  EXPECT_EQ(keys({"RENAME", "a", "b"}), (Views{"a", "b"}));
  EXPECT_EQ(keys({"OBJECT", "ENCODING", "a"}), (Views{"a"}));
  EXPECT_EQ(keys({"DBSIZE"}), Views{});
}

TEST(Commands, FlagsAndCategories) {
  const auto flags = [](std::string_view name) {
    NameList list;
    FlagNames(*StoreIndex().Find(name), list);
    return Views(list.begin(), list.end());
  };
  const auto categories = [](std::string_view name) {
    NameList list;
    AclCategories(*StoreIndex().Find(name), list);
    return Views(list.begin(), list.end());
  };
  EXPECT_EQ(flags("get"), (Views{"readonly", "fast"}));
  EXPECT_EQ(flags("set"), (Views{"write", "denyoom"}));
  EXPECT_EQ(categories("get"), (Views{"@string", "@read", "@fast"}));
  EXPECT_EQ(categories("del"), (Views{"@keyspace", "@write", "@slow"}));
  EXPECT_EQ(categories("flushall"), (Views{"@keyspace", "@write", "@dangerous", "@slow"}));
  EXPECT_EQ(categories("keys"), (Views{"@keyspace", "@read", "@dangerous", "@slow"}));
}

TEST(Commands, FaultyRowsAreRefused) {
  CommandRow row = *StoreIndex().Find("set");
  EXPECT_EQ(RowFault(row), nullptr);
  row.opcode = Opcode::kNone;
  EXPECT_NE(RowFault(row), nullptr);
  row = *StoreIndex().Find("get");
  row.docs.summary = {};
  EXPECT_NE(RowFault(row), nullptr);
  row = *StoreIndex().Find("get");
  row.arity = 0;
  EXPECT_NE(RowFault(row), nullptr);
  row = *StoreIndex().Find("get");
  row.name = "GET";
  EXPECT_NE(RowFault(row), nullptr);
}

}  // namespace
}  // namespace kvorum::store

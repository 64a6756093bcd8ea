// SPDX-License-Identifier: Apache-2.0
#include "store/families.h"

#include <array>

namespace kvorum::store {

std::span<const std::span<const CommandRow>> StoreFamilies() {
  static const std::array<std::span<const CommandRow>, 8> families = {
      StringCommands(), StringPartCommands(), CounterCommands(),  KeyCommands(),
      ExpiryCommands(), IterationCommands(),  DatabaseCommands(), ObjectCommands()};
  return families;
}

const CommandIndex& StoreIndex() {
  static const CommandIndex index = [] {
    CommandIndex built;
    for (const auto family : StoreFamilies()) built.Add(family);
    built.AddLogOnly(LogOnlyCommands());
    return built;
  }();
  return index;
}

}  // namespace kvorum::store

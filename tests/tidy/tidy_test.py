# SPDX-License-Identifier: Apache-2.0
"""Plants each kind of fault in a small tree and expects it, and nothing else, to be found."""
import pathlib
import tempfile
import unittest

from tidy import Tidy, functions

HEAD = "// SPDX-License-Identifier: Apache-2.0\n"
LONG = "void Long() {\n" + "  Step();\n" * 70 + "}\n"


class TidyTest(unittest.TestCase):
    def findings(self, files):
        with tempfile.TemporaryDirectory() as root:
            tree = {folder + "/README.md": "# x\n" for folder in {f.split("/")[0] for f in files}}
            tree.update(files)
            for name, text in tree.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                if text is not None:
                    path.write_text(text)
            return Tidy(root).run()

    def clean(self, name, text):
        self.assertEqual(self.findings({name: text}), [])

    def finds(self, expected, name, text, count=1):
        found = self.findings({name: text})
        self.assertEqual(len(found), count, found)
        self.assertTrue(all(expected in f for f in found), found)
        self.assertTrue(all(f.startswith(name) for f in found), found)

    def test_arrows(self):
        allowed = {
            "base/a.cc": "base/b.h", "resp/a.cc": "base/b.h", "raft/a.cc": "base/b.h",
            "disk/a.cc": "raft/types.h", "store/a.cc": "resp/reply.h", "replica/a.cc": "disk/wal.h",
            "metrics/a.cc": "base/b.h", "server/a.cc": "metrics/catalog.h",
            "tests/a/b.cc": "server/node.h",
        }
        for name, header in allowed.items():
            self.clean(name, HEAD + f'#include "{header}"\n')
        refused = {
            "base/a.cc": ("resp/b.h", "raft/b.h", "server/b.h"),
            "resp/a.cc": ("store/b.h", "raft/types.h"),
            "raft/a.cc": ("disk/wal.h", "store/b.h", "resp/reply.h", "metrics/b.h"),
            "disk/a.cc": ("raft/core.h", "store/b.h"),
            "store/a.cc": ("raft/types.h", "resp/parser.h", "disk/wal.h", "server/node.h"),
            "replica/a.cc": ("server/node.h", "metrics/b.h", "resp/parser.h"),
            "metrics/a.cc": ("server/node.h", "store/b.h"),
            "server/a.cc": ("tests/fixture.h",),
        }
        for name, headers in refused.items():
            for header in headers:
                self.finds(header, name, HEAD + f'#include "{header}"\n')

    def test_includes_start_at_the_root(self):
        self.finds("relative to the root", "tests/a/b.cc", HEAD + '#include "fixture.h"\n')

    def test_libraries(self):
        self.clean("metrics/a.cc", HEAD + "#include <prometheus/registry.h>\n#include <civetweb.h>\n")
        self.clean("server/a.cc", HEAD + "#include <boost/asio/ip/tcp.hpp>\n")
        self.finds("prometheus", "server/a.cc", HEAD + "#include <prometheus/registry.h>\n")
        self.finds("civetweb", "store/a.cc", HEAD + "#include <civetweb.h>\n")
        self.finds("asio", "replica/a.cc", HEAD + "#include <boost/asio.hpp>\n")
        self.finds("beast", "server/a.cc", HEAD + "#include <boost/beast.hpp>\n")
        self.finds("absl", "store/a.cc", HEAD + '#include "absl/strings/str_cat.h"\n')

    def test_banned_names(self):
        for code in ("auto t = std::chrono::steady_clock::now();", "auto t = time(nullptr);",
                     "auto t = std::time(nullptr);", "int r = rand();", "srand(1);",
                     "std::random_device entropy;", "std::thread t;", "std::mutex m;",
                     "thread_local int x;", 'getenv("HOME");', "double d = strtod(s, nullptr);",
                     "double d = std::stod(s);", 'setlocale(LC_ALL, "");',
                     'snprintf(b, 9, "%.17g", d);', 'std::printf("%f", d);', "clock_gettime(c, &t);",
                     "#include <thread>", "#include <random>", "#include <chrono>"):
            for folder in ("raft", "store", "replica"):
                self.finds("must repeat exactly", f"{folder}/a.cc", HEAD + code + "\n")
            self.clean("server/a.cc", HEAD + code + "\n")

    def test_names_that_only_look_banned(self):
        for code in ("// time(nullptr) would be wrong here", "/* rand() */", "Wall time(now);"[5:6],
                     "x.time();", "int strand(int);", "EndTime(now);", 'printf("%d", x);',
                     "int64_t expire_time(int);", 'snprintf(b, 9, "%u%%", x);'):
            self.clean("store/a.cc", HEAD + code + "\n")

    def test_sizes(self):
        self.clean("base/a.cc", HEAD + "\n" * 999)
        self.finds("1001 lines", "base/a.cc", HEAD + "\n" * 1000)
        self.finds("72 lines", "base/a.cc", HEAD + LONG)
        self.finds("72 lines", "base/a.h", HEAD + "#pragma once\nnamespace a {\nnamespace {\n" + LONG + "}\n}\n")
        self.finds("72 lines", "base/a.h", HEAD + "#pragma once\nclass A final : public B {\n public:\n" + LONG + "};\n")
        self.finds("72 lines", "base/a.cc", HEAD + "A::A(int b)\n    : b_{b} {\n" + "  Step();\n" * 69 + "}\n",
                   count=1)
        self.finds("72 lines", "base/a.cc", HEAD + "TEST(A, B) {\n" + "  Step();\n" * 70 + "}\n")
        self.clean("base/a.cc", HEAD + LONG.replace("  Step();\n", "", 2))

    def test_tables_types_and_namespaces_are_no_functions(self):
        rows = '    {.name = "a(b) {", .arity = 2},\n' * 100
        self.clean("base/a.cc", HEAD + "namespace a {\nconstexpr Row kRows[] = {\n" + rows + "};\n}\n")
        self.clean("base/a.cc", HEAD + "struct A {\n" + "  int a = 0;\n" * 100 + "};\n")
        self.clean("base/a.cc", HEAD + "enum class A : int {\n" + "  kA,\n" * 100 + "};\n")

    def test_braces_in_literals_do_not_count(self):
        text = "void A() {\n  Put(\"{{{\");\n  Put('{');\n  int n = 1'000;\n  Put(R\"(} {)\");\n}\n"
        self.assertEqual(functions(text * 3), [(1, 6), (7, 12), (13, 18)])

    def test_licence_and_guard(self):
        self.finds("first line", "base/a.cc", "int a;\n")
        self.finds("first line", "tests/a.py", "print()\n")
        self.clean("tests/a.py", "#!/usr/bin/env python3\n# SPDX-License-Identifier: Apache-2.0\n")
        self.finds("#pragma once", "base/a.h", HEAD + "int a;\n")

    def test_words(self):
        self.finds("TODO", "base/a.cc", HEAD + "// TODO: later\n")
        self.finds("FIXME", "docs/a.md", "FIXME\n")
        self.finds("SlotManager", "base/a.cc", HEAD + "class SlotManager {};\n")
        self.finds("TextUtils", "base/a.cc", HEAD + "struct TextUtils;\n")
        self.finds("CoreImpl", "base/a.cc", HEAD + "class CoreImpl;\n")
        for name in ("base/text_util.cc", "base/helpers_helper.cc", "base/impl.cc", "base/slot_manager.cc"):
            self.finds("named after", name, HEAD)
        self.clean("base/simple.cc", HEAD + "class Simplifier;\n")

    def test_machine_paths(self):
        self.finds("one machine", "docs/a.md", "see " + "/home" + "/joe/src\n")
        self.finds("one machine", "base/a.cc", HEAD + '"' + "/work" + '/main/x"\n')
        self.clean("docs/a.md", "`build/release/bin` and https://example.com/home/page and ./build/x\n")

    def test_every_folder_has_a_readme(self):
        found = self.findings({"base/a.cc": HEAD, "base/README.md": None})
        self.assertEqual(found, ["base: no README.md"])


if __name__ == "__main__":
    unittest.main()

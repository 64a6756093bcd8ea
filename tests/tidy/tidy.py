# SPDX-License-Identifier: Apache-2.0
"""tidy.py <root>: the rules of the house that no compiler knows.

Which folder may include which, what must not be named where runs must repeat exactly, how long
files and functions may be, and what every file and folder has. Reads the text only; the list of
files is git's when <root> is a repository, else everything under <root>.
"""
import pathlib
import re
import subprocess
import sys

MAX_FILE_LINES = 1000
MAX_FUNCTION_LINES = 70

# folder: the folders it may include, and single headers of others.
ARROWS = {
    "base": ((), ()),
    "resp": (("base",), ()),
    "raft": (("base",), ()),
    "disk": (("base",), ("raft/types.h",)),
    "store": (("base",), ("resp/reply.h", "resp/format.h", "resp/glob.h")),
    "replica": (("base", "raft", "disk", "store"), ("resp/reply.h",)),
    "metrics": (("base",), ()),
    "server": (("base", "resp", "raft", "disk", "store", "replica", "metrics"), ()),
}
# Headers of others, by who may include them.
LIBRARIES = (
    (re.compile(r"^prometheus/"), ("metrics",)),
    (re.compile(r"^civetweb|^CivetServer"), ("metrics",)),
    (re.compile(r"^boost/asio"), ("server",)),
    (re.compile(r"^boost/beast"), ()),
    (re.compile(r"^spdlog/"), ("server",)),
    (re.compile(r"^absl/strings/"), ()),
)
TEST_FOLDERS = ("tests", "benchmark")

# Where the same input must give the same output on every node and in every run.
DETERMINISTIC = ("raft", "store", "replica")
BANNED = (
    (re.compile(r"\b(system|steady|high_resolution|utc|file)_clock\b"), "a clock"),
    (re.compile(r"\b(gettimeofday|clock_gettime|localtime(_r)?|gmtime(_r)?|mktime)\b"), "a clock"),
    (re.compile(r"(?<![\w.>:])(std::)?(time|clock)\s*\("), "a clock"),
    (re.compile(r"(?<![\w.>])(std::)?s?rand(_r|om)?\s*\("), "chance"),
    (re.compile(r"\b(random_device|mt19937(_64)?|default_random_engine|\w+_distribution)\b"),
     "chance"),
    (re.compile(r"\bstd::(j?thread|mutex|shared_mutex|condition_variable|async|future)\b"),
     "threads"),
    (re.compile(r"#\s*include\s*<(thread|mutex|shared_mutex|future|condition_variable|random|"
                r"chrono|ctime|time\.h|pthread\.h)>"), "clocks, chance or threads"),
    (re.compile(r"\bpthread_\w+|\bthread_local\b"), "threads"),
    (re.compile(r"\b(secure_)?getenv\b"), "the environment"),
    (re.compile(r"\b(strto(f|d|ld)|stof|stod|stold|atof|setlocale|std::locale)\b"),
     "number code that depends on the locale"),
    (re.compile(r"printf\s*\([^;]*%[-+ #0-9.*]*L?[aefgAEFG]"),
     "number code that depends on the locale"),
)
VAGUE = r"(?:manager|helper|util(?:s|ity|ities)?|impl)"
VAGUE_FILE = re.compile(rf"(?:^|[_\-.]){VAGUE}(?:[_\-.]|$)", re.I)
VAGUE_TYPE = re.compile(r"\b(?:class|struct|union|enum(?:\s+class)?)\s+(?:\[\[\w+\]\]\s*)?"
                        r"(\w*(?:Manager|Helper|Utils?|Utility|Utilities|Impl))\b")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Where a file was written is nobody's business, and breaks elsewhere.
MACHINE = re.compile(r"(?<![\w.$}~])/(?:home|Users|root|work|mnt|build)/[\w.-]+")
LICENCE = "SPDX-License-Identifier: Apache-2.0"
LICENSED = {".h": "// ", ".cc": "// ", ".py": "# ", ".sh": "# "}
TEXT = {".h", ".cc", ".py", ".sh", ".md", ".txt", ".cmake", ".json", ".yaml", ".yml", ".conf",
        ".service", ".golden", ""}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
RAW_STRING = re.compile(r'R"([^\s()\\]{0,16})\((.*?)\)\1"', re.S)
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def without(text, strings_too):
    """Comments (and the insides of literals) as blanks; lines keep their numbers."""
    def blank(found):
        piece = found.group(0)
        if piece[0] == "'" and re.search(r"[0-9a-fA-F]$", text[:found.start()][-1:]):
            return piece  # a digit separator
        if piece[0] in "\"'":
            if not strings_too:
                return piece
            return piece[0] + " " * (len(piece) - 2) + piece[-1]
        return re.sub(r"[^\n]", " ", piece)

    if strings_too:
        text = RAW_STRING.sub(lambda m: '"' + re.sub(r"[^\n]", " ", m.group(0)[2:-1]) + '"', text)
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", text)
    return TOKEN.sub(blank, text)


def functions(text):
    """(first line, last line) of each brace block at namespace or class level that is a function.

    A heuristic that fits the format this code is kept in: what opens a namespace, a type or an
    initializer is told by what stands in front of the brace.
    """
    text = without(text, strings_too=True)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  text, flags=re.M)
    found, stack, begin = [], [], 0
    for at, char in enumerate(text):
        if char in ";":
            if not stack or stack[-1][0] != "code":
                begin = at + 1
        elif char == "{":
            head = text[begin:at]
            if stack and stack[-1][0] in ("code", "value"):
                stack.append(("code", None))
                continue
            if at and re.match(r"[\w>]", text[at - 1]):
                stack.append(("value", None))  # member{value}: a body has a blank before its brace
                continue
            if re.search(r"\bnamespace\b[^()]*$", head) or re.search(r'\bextern\s*"[^"]*"\s*$', head):
                kind = "scope"
            elif re.search(r"\b(class|struct|union|enum)\b[^()=]*(\([^()]*\)[^()=]*)*$", head) \
                    and not re.search(r"\)\s*(const|noexcept|override|final|->[^{]*)*\s*$", head):
                kind = "scope"
            elif re.search(r"\)[^=]*$", head) and not re.search(r"=\s*$|\breturn\b", head):
                kind = "function"
            else:
                kind = "code"
            first = text.count("\n", 0, begin + len(head) - len(head.lstrip())) + 1
            if kind == "function":
                stack.append(("code", first))
            else:
                stack.append((kind, None))
            if kind == "scope":
                begin = at + 1
        elif char == "}":
            kind, first = stack.pop() if stack else ("scope", None)
            if first is not None:
                found.append((first, text.count("\n", 0, at) + 1))
            if kind != "value" and (not stack or stack[-1][0] != "code"):
                begin = at + 1
        elif char == ":" and (not stack or stack[-1][0] != "code"):
            if re.search(r"\b(public|private|protected)\s*$", text[begin:at]):
                begin = at + 1
    return found


def line_of(text, at):
    return text.count("\n", 0, at) + 1


class Tidy:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.findings = []

    def say(self, path, line, what):
        self.findings.append(f"{path}:{line}: {what}" if line else f"{path}: {what}")

    def files(self):
        listed = subprocess.run(
            ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], capture_output=True, text=True)
        top = subprocess.run(["git", "-C", str(self.root), "rev-parse", "--show-prefix"],
                             capture_output=True, text=True)
        if listed.returncode == 0 and top.stdout.strip() == "":
            names = [pathlib.PurePosixPath(n) for n in listed.stdout.split("\0") if n]
        else:
            names = [p.relative_to(self.root) for p in self.root.rglob("*") if p.is_file()]
        return sorted(n for n in set(map(pathlib.PurePosixPath, names))
                      if (self.root / n).is_file())

    def includes(self, path, text):
        folder = path.parts[0]
        for found in INCLUDE.finditer(without(text, strings_too=False)):
            kind, name = found.groups()
            line = line_of(text, found.start())
            if kind == "<" or re.match(r"(absl|boost|prometheus|spdlog)/", name):
                for pattern, allowed in LIBRARIES:
                    if pattern.search(name) and folder not in allowed + TEST_FOLDERS:
                        self.say(path, line, f"{folder}/ may not include {name}")
                continue
            target = name.split("/")[0]
            if folder in TEST_FOLDERS or target == folder:
                if "/" not in name:
                    self.say(path, line, f'"{name}": includes are relative to the root')
                continue
            folders, headers = ARROWS[folder]
            if target not in folders and name not in headers:
                self.say(path, line, f"{folder}/ may not include {name}")

    def banned(self, path, text):
        code = without(text, strings_too=False)
        for pattern, what in BANNED:
            for found in pattern.finditer(code):
                self.say(path, line_of(code, found.start()),
                         f"{found.group(0).strip()!r}: {what}, in a folder that must repeat exactly")

    def sizes(self, path, text):
        lines = text.count("\n")
        if lines > MAX_FILE_LINES:
            self.say(path, 0, f"{lines} lines; the limit is {MAX_FILE_LINES}")
        if path.suffix not in (".h", ".cc"):
            return
        for first, last in functions(text):
            if last - first + 1 > MAX_FUNCTION_LINES:
                self.say(path, first, f"a function of {last - first + 1} lines; the limit is "
                                      f"{MAX_FUNCTION_LINES}")

    def words(self, path, text):
        if VAGUE_FILE.search(path.name):
            self.say(path, 0, "a file is named after what it is about")
        ours = path.parts[:2] == ("tests", "tidy")
        if path.suffix in (".h", ".cc"):
            for found in VAGUE_TYPE.finditer(without(text, strings_too=True)):
                self.say(path, line_of(text, found.start()),
                         f"{found.group(1)}: a type is named after what it is about")
        if ours:
            return
        for found in UNFINISHED.finditer(text):
            self.say(path, line_of(text, found.start()), f"{found.group(0)}: do it or leave it out")
        for found in MACHINE.finditer(text):
            self.say(path, line_of(text, found.start()), f"{found.group(0)}: a path of one machine")

    def licence(self, path, text):
        if path.suffix not in LICENSED:
            return
        lines = text.split("\n", 2)
        first = lines[1] if text.startswith("#!") and len(lines) > 1 else lines[0]
        if first.rstrip() != LICENSED[path.suffix] + LICENCE:
            self.say(path, 1, f"the first line is '{LICENSED[path.suffix]}{LICENCE}'")
        if path.suffix == ".h" and "#pragma once" not in text:
            self.say(path, 1, "no #pragma once")

    def readmes(self, files):
        folders = {p.parts[0] for p in files if len(p.parts) > 1 and not p.parts[0].startswith(".")}
        for folder in sorted(folders - {"cmake", "scripts", "docs"}):
            if pathlib.PurePosixPath(folder, "README.md") not in files:
                self.say(folder, 0, "no README.md")

    def run(self):
        files = self.files()
        for path in files:
            if path.suffix not in TEXT:
                continue
            try:
                text = (self.root / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            self.words(path, text)
            self.licence(path, text)
            if path.suffix in (".h", ".cc", ".py"):
                self.sizes(path, text)
            if path.suffix in (".h", ".cc") and path.parts[0] in tuple(ARROWS) + TEST_FOLDERS:
                self.includes(path, text)
            if path.suffix in (".h", ".cc") and path.parts[0] in DETERMINISTIC:
                self.banned(path, text)
        self.readmes(set(files))
        return self.findings


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    findings = Tidy(sys.argv[1]).run()
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings" if findings else "tidy")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

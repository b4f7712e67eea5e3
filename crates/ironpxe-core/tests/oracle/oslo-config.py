"""Records what oslo.config makes of configuration files, into oslo-config.json beside this file.

    python3 -m venv venv && venv/bin/pip install oslo.config==10.7.0
    venv/bin/python oslo-config.py

Each case is a list of files (text, or bytes as a list of numbers), an environment, the options that
are registered, and oslo.config's answer for the first of them or all, or why it does not read a file.
`differs` says why ironpxe answers otherwise; the test holds that it does.

`venv/bin/python oslo-config.py 5000 7` prints that many random cases of a seed instead: the test holds
for them as well, in the place of the file.
"""
import itertools, json, os, random, re, sys, tempfile

from oslo_config import cfg

OPTS = {"str": cfg.StrOpt, "bool": cfg.BoolOpt, "int": cfg.IntOpt, "list": cfg.ListOpt, "dict": cfg.DictOpt, "multi": cfg.MultiStrOpt}
cases = []


def opt(spec, kind="str", default=None, deprecated=()):
    """`name` is of [pxe], `GROUP.name` of that group."""
    group, name = spec.split(".") if "." in spec else ("pxe", spec)
    return {"group": group, "name": name, "kind": kind, "default": default, "deprecated": [list(it) for it in deprecated]}


def shown(it):
    """Without what is nothing."""
    return {key: [shown(opt) for opt in value] if key == "opts" else value for key, value in it.items() if value or key in ("value", "files")}


def ask(conf, option):
    try:
        return {"value": conf._get(option["name"]) if option["group"] == "DEFAULT" else conf[option["group"]][option["name"]]}
    except RecursionError:
        return {"error": "RecursionError"}
    except Exception as error:
        # Without the temporary folder.
        text = str(error).split(" is not valid: ")[-1]
        return {"error": f"{type(error).__name__}: {text}"}


def answer(files, env, opts, asked):
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        for number, content in enumerate(files):
            path = os.path.join(folder, f"{number}.conf")
            with open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
            arguments += ["--config-file", path]
        conf = cfg.ConfigOpts()
        for it in opts:
            group = None if it["group"] == "DEFAULT" else it["group"]
            old = [cfg.DeprecatedOpt(name, group=group) for group, name in it["deprecated"]]
            conf.register_opt(OPTS[it["kind"]](it["name"], default=it["default"], deprecated_opts=old), group=group)
        before = dict(os.environ)
        os.environ.update(env)
        try:
            conf(arguments, project="oracle", default_config_files=[], default_config_dirs=[])
            return {"answers": [ask(conf, it) for it in opts[:asked]]}
        except cfg.ConfigFileParseError as error:
            place = re.search(r"at \S*/(\d+)\.conf:(\d+), (.*?): ['\"]", str(error))
            return {"refused": {"file": int(place[1]), "line": int(place[2]), "reason": place[3]}}
        except UnicodeDecodeError as error:
            return {"refused": {"reason": str(error)}}
        finally:
            os.environ.clear()
            os.environ.update(before)


def case(name, files, opts=("a",), env={}, asked=None, differs=None):
    files = files if isinstance(files, list) else [files]
    opts = [opt(it) if isinstance(it, str) else it for it in opts]
    contents = [list(it) if isinstance(it, bytes) else it for it in files]
    cases.append({"name": name, "files": contents, "env": env, "opts": opts, "differs": differs, **answer(files, env, opts, asked)})


def values(kind, *texts, differs=None):
    for text in texts:
        case(f"{kind} {text!r}", f"[pxe]\na = {text}\n", [opt("a", kind)], differs=differs)


def lines():
    for text in ("a = 1", "a: 1", "a:1=2", "a=1:2", "a = http://h:1/", "a  =  1  ", "a=", "a:", "a", "a b", "= 1", ": 1", "  = 1",
                 "a = 1 # no comment", "a = 1 ; no comment", "#a = 1", ";a = 1", " #a = 1", "\t;a = 1", "a.b = 1", "a b = 1", "\fa = 1", "\u00a0a = 1",
                 "a = \u00a0x\u00a0", "a = \x1cx\x1f", "a = x\x0by", "a = x\x85y\nb = 2", "a = x\u2028y"):
        case(f"line {text!r}", f"[pxe]\n{text}\n", ["a", "b"])
    for text in ('"q"', "'q'", '"a b" ', '" a "', '"a" b', '"a\'', '"', "''", '""', '"a""', '"\'a\'"', '"a" "b"', '""a""', "a\"", '"a # b"', '\\"a\\"'):
        case(f"quotes {text}", f"[pxe]\na = {text}\n")
    for text in ("a = 1\n  2\n\t3\nb = 4", "a = 1\n\n  2", "a = 1\n  \n  2", "a = 1\n# comment\n  2", "a = 1\n  # no comment\n  2", "a =\n  1\n  2", "  a = 1", "a = 1\n  b = 2",
                 "a = 1\n [pxe]", 'a = "1\n  2"', "a = '1'\n  '2'", "a = 1  \n  2  \nb = 2", "a = 1\n\u00a02", "a = 1\n  2\n[x]\n  3", "a = 1\n[pxe]\n  2"):
        case(f"continuation {text!r}", f"[pxe]\n{text}\n", ["a", "b"])
    for text in ("a = 1", "a = 1\n[pxe]", "a = 1\n  2\n\n[pxe]", "\n\na = 1\n\nbad", "bad\n[pxe]", "  a = 1\n[pxe]", "# c\n\n[pxe]\na = 1", "[]\na = 1", "[\na = 1", "[ ]\na = 1", "[pxe\na = 1",
                 "[pxe] # c\na = 1", "[ pxe ]\na = 1", "[pxe]\na = 1\n[other]\na = 2", "[pxe]\na = 1\n[other]\n[pxe]\na = 2", "[Pxe]\na = 1", "[PXE]\na = 1\n[pxe]\na = 2", "[pxe]\na = 1\n[PXE]\na = 2",
                 "[pxe]]\na = 1", "[[pxe]]\na = 1", "  [pxe]\na = 1", "[pxe]  \na = 1", "[pxe]\nA = 1", "", "\n", "# only a comment", "[pxe]\na = 1\nbad\na = 2", "[pxe]a = 1"):
        case(f"section {text!r}", text)
    for group in ("DEFAULT", "default", "Default"):
        case(f"[{group}]", f"[{group}]\na = 1\n", ["DEFAULT.a"])
    for name in ("with-dash", "with_dash", "With_dash"):
        case(f"dashes: {name}", f"[pxe]\n{name} = 1\n", ["with_dash"])
    for text in ("[pxe]\r\na = 1\r\n  2\r\n\r\nb = 3\r\n", "[pxe]\ra = 1\rb = 2", "[pxe]\r\na = 1\r\nbad\r\n", "[pxe]\n\r\na = 1\n\rb = 2", "[pxe]\na = 1\n  2", "\ufeff[pxe]\na = 1\n", "\ufeff# c\n[pxe]\na = 1\n", "\ufeffa = 1\n[pxe]\n", "[pxe]\na\t=\t1\t2\t\n", "[pxe]\na = \u00e4\u2603\n", "[pxe]\n\u00e4 = 1\na = 2\n", "[pxe]\na = x\0y\n"):
        case(f"bytes {text!r}", text, ["a", "b"])
    for content in (b"[pxe]\na = \xe4\n", b"\xff\xfe[\0p\0x\0e\0]\0", b"[pxe]\n# \xc3\n", b"[pxe]\na = \xed\xa0\x80\n", b"[pxe]\nbad\na = \xff\n"):
        case(f"bytes {content!r}", content)


def places():
    multi, old = opt("a", "multi"), [("pxe", "old"), ("DEFAULT", "older")]
    aliased, many = opt("a", deprecated=old), opt("a", "multi", deprecated=old)
    case("repeated in a file", "[pxe]\na = 1\na = 2\n", ["a"])
    case("repeated over files", ["[pxe]\na = 1\nb = 1\n", "[pxe]\na = 2\n"], ["a", "b"])
    case("emptied by a later file", ["[pxe]\na = 1\n", "[pxe]\na =\n"])
    case("multi in a file", "[pxe]\na = 1\na = 2\n[Pxe]\na = 3\n", [multi])
    case("multi over files", ["[pxe]\na = 1\na = 2\n", "[pxe]\na = 3\n"], [multi])
    case("multi, unset", "[pxe]\n", [multi])
    case("multi, empty", "[pxe]\na =\n", [multi])
    case("multi, interpolated", "[pxe]\na = $b\na = x$b\nb = 1\n", [multi, opt("b")])
    case("multi, one bad", "[pxe]\na = 1\na = $nope\n", [multi])
    case("second file is bad", ["[pxe]\na = 1\n", "[pxe]\n\nbad\n"])
    for text in ("[pxe]\nold = 1\n", "[DEFAULT]\nolder = 1\n", "[pxe]\nold = 1\n[DEFAULT]\nolder = 2\n", "[pxe]\nold = 1\na = 2\n", "[pxe]\na = 2\nold = 1\n", "[pxe]\nold = $b\nb = 3\n[DEFAULT]\nb = 4\n", "[DEFAULT]\nolder = $b\nb = 4\n[pxe]\nb = 3\n", "[Pxe]\nold = 1\nold = 2\n"):
        case(f"deprecated {text!r}", text, [aliased, opt("b")])
    case("deprecated in a later file", ["[pxe]\na = 1\n", "[pxe]\nold = 2\n"], [aliased])
    case("new name in a later file", ["[pxe]\nold = 1\n", "[pxe]\na = 2\n"], [aliased])
    case("deprecated and multi", ["[pxe]\nold = 1\na = 2\n[DEFAULT]\nolder = 3\n", "[pxe]\na = 4\nold = 5\n"], [many])
    case("kernel_append_params", "[pxe]\npxe_append_params = nofb nomodeset\n", [opt("kernel_append_params", deprecated=[("pxe", "pxe_append_params")])])
    case("deprecated with default", "[pxe]\nold = 1\n", [opt("a", default="2", deprecated=old)])
    case("reference by the old name", "[pxe]\na = 1\nb = $old\n", [aliased, opt("b")])
    case("reference by the new name", "[pxe]\nold = 1\nb = $a\n", [aliased, opt("b")])
    base = "[pxe]\na = file\n[DEFAULT]\nip = 192.0.2.7\n"
    both = ["a", "DEFAULT.ip"]
    for env in ({"OS_PXE__A": "env"}, {"OS_PXE__A": ""}, {"OS_PXE__A": " \"e\" "}, {"OS_PXE__A": "$ip"}, {"OS_PXE__A": "$nope"}, {"OS_PXE__A": "%(x)s"}, {"os_pxe__a": "lower"}, {"OS_PXE_A": "one"}, {"OS_DEFAULT__IP": "e", "OS_PXE__A": "$ip"}, {"OS_PXE__A": "one\ntwo"}, {"OS_PXE__A": "\\$ip$$"}):
        case(f"environment {env}", base, both, env)
    case("environment alone", [], ["a"], {"OS_PXE__A": "1"})
    case("environment over two files", ["[pxe]\na = 1\n", "[pxe]\na = 2\n"], ["a"], {"OS_PXE__A": "3"})
    case("environment, old name", base, [aliased], {"OS_PXE__OLD": "1"})
    case("environment over the old name", "[pxe]\nold = 1\n", [aliased], {"OS_PXE__A": "2"})
    case("environment, group with underscores", [], ["service_catalog.endpoint_override"], {"OS_SERVICE_CATALOG__ENDPOINT_OVERRIDE": "http://h"})
    case("environment, multi", "[pxe]\na = 1\n", [multi], {"OS_PXE__A": "x,$$"})
    case("environment, types", [], [opt("i", "int"), opt("b", "bool"), opt("l", "list"), opt("d", "dict")], {"OS_PXE__I": " 7 ", "OS_PXE__B": "Yes", "OS_PXE__L": "a, b", "OS_PXE__D": "k:v"})
    case("environment, malformed", [], [opt("i", "int"), opt("b", "bool"), opt("d", "dict")], {"OS_PXE__I": "x", "OS_PXE__B": " true", "OS_PXE__D": "k"})
    case("defaults", "[pxe]\n", [opt("a", default="http://$ip/"), opt("DEFAULT.ip", default="192.0.2.1"), opt("n", "int", "5"), opt("m", "bool", "off"), "unset"])
    case("default refers to what is set", "[DEFAULT]\nip = 192.0.2.9\n", [opt("a", default="http://$ip/"), opt("DEFAULT.ip", default="192.0.2.1")])


def references():
    base = "[DEFAULT]\nip = 192.0.2.7\nboth = default\n[pxe]\nlate = L\nboth = pxe\nempty =\ndotted = x\n[deploy]\nurl = http://$ip\nown = $both\nboth = deploy\n"
    known = ["a", "DEFAULT.ip", "DEFAULT.both", "late", "both", "empty", "unset", "deploy.url", "deploy.own", "deploy.both"]
    for text in ("$ip", "${ip}", "x${ip}y", "$ip/x", "$ip:80", "$ip.", "${ip}.", "$ip.x", "$late", "${pxe.late}", "$pxe.late", "${Pxe.late}", "${deploy.url}/x", "${deploy.own}", "${DEFAULT.ip}", "$DEFAULT.ip", "$both",
                 "${deploy.both}", "$empty", "x${empty}y", "$unset", "x${unset}y", "$nope", "${nope}", "${nope.x}", "${pxe.nope}", "$nope x", "$$", "$$ip", "$$$ip", "$$$$", "\\$ip", "\\\\$ip", "\\$$ip", "\\${ip}", "$", "x$", "$ ip", "$-", "$5$salt", "$6$rounds", "$_", "$Ip",
                 "$IP", "${", "${ip", "${}", "${ ip }", "${ip-x}", "${5}", "$${ip}", "$ip$late", "$ip${late}x", "%(ip)s", "%ip%", "%%", "{{ ip }}", "$(ip)", "${pxe..late}", "${.late}", "${pxe.}", "$pxe", "$a", "$\u017f", "$\u212a", "$\u0131p", "$\u0130p", "$\u00e4", "${ip}\n  ${late}"):
        case(f"reference {text!r}", f"{base}[pxe]\na = {text}\n", known, asked=1)
    case("an unknown name that nobody reads", "[pxe]\na = 1\nb = $nope\n", ["a"])
    case("unknown two steps away", "[pxe]\na = $b\nb = $c\nc = $nope\n", ["a", "b", "c"])
    case("unknown in what another option of the name hides", "[pxe]\na = $b\nb = $nope\n[DEFAULT]\nb = 1\n", ["a", "b", "DEFAULT.b"], asked=1, differs="oslo.config takes [DEFAULT] for what it cannot replace in the group: an error")
    case("itself, two steps away", "[pxe]\na = $b\nb = ${a}\n", ["a", "b"])
    case("the same twice", "[pxe]\na = $b$b\nb = 1\n", ["a", "b"])
    case("scope of a reference", "[DEFAULT]\nx = default\nv = $x\n[pxe]\nx = pxe\na = $v\nb = ${pxe.x}$x\n", ["a", "b", "x", "DEFAULT.x", "DEFAULT.v"])
    case("group of the same name", "[DEFAULT]\nx = $pxe\n[pxe]\na = 1\n", ["a", "DEFAULT.x"])
    case("a value with a dollar is not looked at again", "[pxe]\na = $b\nb = $$c\nc = 1\n", ["a", "b", "c"])
    for name, kind, text in (("b", "bool", "yes"), ("b", "bool", "maybe"), ("n", "int", " 0080"), ("n", "int", "x"), ("n", "int", '""')):
        case(f"reference to {kind} {text!r}", f"[pxe]\na = x${name}\n{name} = {text}\n", ["a", opt(name, kind)])
    for kind in ("list", "dict", "multi"):
        case(f"reference to {kind}", "[pxe]\na = $b\nb = k:v\n", ["a", opt("b", kind)], differs="Python's notation of a list or dict is no value for anything: an error")
    case("into list and dict", "[pxe]\nl = $x,c\nd = $x:1,b:$y\nx = a\ny = 2,c:3\n", [opt("l", "list"), opt("d", "dict"), "x", "y"])
    case("into int and bool", "[pxe]\ni = $x\nb = $x\nx = 1\n", [opt("i", "int"), opt("b", "bool"), "x"])
    case("set, but no option of the service", "[pxe]\na = $mine\nmine = 1\n", ["a"], differs="not all of Ironic's options are known to ironpxe: what is set can be referred to")


def types():
    values("bool", "true", "True", "TRUE", "1", "on", "On", "yes", "YES", "false", "False", "0", "off", "no", "No", "", "2", "t", "y", "enabled", '" true"', "'true'", "true # c", "tru\n  e", "01", "None")
    values("int", "0", "7", "-7", "+7", "- 7", "007", "1_000", "_1", "1_", "1__0", "0x10", "1.0", "1e3", "", '" 7 "', "7 8", "seven", "--7", "+-7", "9223372036854775807", "-9223372036854775808", "+", "-", "\u0663\u00a0x")
    values("int", "9223372036854775808", "\u0663", differs="integers have 64 bits and ASCII digits: an error")
    values("list", "", "a", "a,b", "a, b ,c", ",", ",,", "a,", "a,,", "a,,b", ",a", "a, ,", " a , ", '"a,b"', '"a","b"', "'a','b'", '/a, /b/c ,"/d,e"', "[a,b]", "a;b", "a b", "a\n  b", "a,\n  b", "a\\,b", '"a" , b', "a:b,c", '", a ,"', '"a, ,"')
    values("dict", "", "k:v", "k:v,l:w", "k:v, l : w", "k:http://h:1/x", "k:v:w", "k", "k,l:v", "k:v,l", "k:v,", ",k:v", ":v", "k:", "k:,l:", "k:v,k:w", "k : v,k: w", "k:v,:w", '"k":"v"', 'k:"a,b"', 'k:"a,b:c"', "{k:v}", "k=v", "a,b,c:d,e", "k:v\n  l:w", "k:v,\n  l:w",
           'x86_64:"http://192.0.2.1/k,v2"', "aarch64:snponly-arm64.efi, x86_64-bios:undionly.kpxe", "a:1,b,c:2", "k:v, ,", " : ", "a:b,,c:d")


def chance(count, seed):
    """Random files of what matters to the syntax. (No list, dict or multi is referred to: see `differs`.)"""
    roll = random.Random(seed)
    wrapper = cfg.ConfigOpts.StrSubWrapper
    usual = wrapper.__getitem__
    def strict(self, key):
        """Without what differs in "unknown in what another option of the name hides"."""
        if "." not in key and self.group is not None and key in self.conf._get_group(self.group)._opts:
            try:
                self.conf._get(key, group=self.group)
            except cfg.NoSuchOptError as error:
                raise cfg.TemplateSubstitutionError(f"NoSuchOptError: {error}")
        return usual(self, key)
    wrapper.__getitem__ = strict
    opts = [opt("DEFAULT.a"), opt("DEFAULT.b", default="d$a"), opt("DEFAULT.n"), opt("a", deprecated=[("pxe", "old")]), opt("b", "bool"), opt("n", "int"), opt("l", "list"), opt("d", "dict"), opt("m", "multi", deprecated=[("pxe", "older")])]
    names = ["a", "b", "n", "l", "d", "m", "old", "older"]
    bits = ["x", "1", "7", "true", "no", " ", "  ", "\t", "$a", "${b}", "$n", "${pxe.a}", "$nope", "$", "$$", "\\$", "\\", "{", "}", ".", ",", ",", ":", ":", "=", '"', "'", "#", ";", "%(a)s", "\u00a0", "_", "-", "k:v", "$5$s", "\u017f"]
    word = lambda most: "".join(roll.choice(bits) for _ in range(roll.randint(0, most)))
    ends = ["\n"] * 12 + ["\r\n", "\r", "\n\n", "\n \n"]
    def line():
        pick = roll.random()
        if pick < 0.72:
            return roll.choice(names) + roll.choice([" = ", "=", ": ", ":", "  =\t"]) + word(4)
        if pick < 0.85:
            return roll.choice([" ", "\t", "  "]) + word(3)
        if pick < 0.97:
            return roll.choice(["[pxe]", "[DEFAULT]", "[Pxe]", "[other]"])
        return roll.choice(["# c", ";", "[]", "[", "[ pxe]", "bad", "=", "\ufeff", word(3)])
    for number in itertools.count():
        if len(cases) >= count:
            return
        files = [roll.choice(["[pxe]\n"] * 5 + ["[DEFAULT]\n", ""]) + "".join(line() + roll.choice(ends) for _ in range(roll.randint(1, 8))) for _ in range(roll.randint(1, 2))]
        env = {f"OS_{group}__{name.upper()}": word(3) for group, name in [("PXE", roll.choice(names)), ("DEFAULT", "a")] if roll.random() < 0.15}
        case(f"random {seed}.{number}", files, opts, env)


if len(sys.argv) > 1:
    chance(int(sys.argv[1]), int(sys.argv[2]))
    json.dump([shown(it) for it in cases], sys.stdout)
else:
    lines(), places(), references(), types()
    text = ",\n".join(json.dumps(shown(it)) for it in cases)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "oslo-config.json"), "w") as file:
        file.write(f"[\n{text}\n]\n")
    print(len(cases), "cases")

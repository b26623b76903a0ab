"""Declared roles and databases: how they are read, and what is done about each difference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hapg_failover.credentials import scram
from hapg_failover.declared import databases, desired, roles
from hapg_failover.declared.desired import Database, Declaration, Entry, Extension, Role, Schema
from hapg_failover.declared.found import Contents, FoundDatabase, FoundRole
from hapg_failover.declared.plan import Plan
from hapg_failover.declared.statements import (
    CreateDatabase,
    CreateExtension,
    CreateRole,
    CreateSchema,
    DropDatabase,
    DropExtension,
    DropRole,
    DropSchema,
    Grant,
    Kind,
    Revoke,
    SetConnectionLimit,
    SetFlag,
    SetOwner,
    SetParameter,
    SetPassword,
    SetValidUntil,
    Statement,
    UpdateExtension,
)

SALT = b"0123456789abcdef"
ENTRY = Entry("login", "password")
SHOP = FoundDatabase("shop", "postgres", "UTF8", "C.UTF-8", "C.UTF-8")


def of_role(role: Role, found: FoundRole | None = None, method: str = "scram-sha-256", **others: FoundRole) -> Plan:
    known = {**others, **({found.name: found} if found is not None else {})}
    (plan,) = roles.plan([role], known, {ENTRY: "secret"}, method=method, salt=SALT)
    return plan


def of_database(database: Database, now: FoundDatabase = SHOP, contents: Contents | None = None) -> Plan:
    return databases.plan(database, now, contents if contents is not None else Contents(), {"app", "postgres"})


def statements(plan: Plan) -> list[Statement]:
    return [statement for change in plan.changes for statement in change.statements]


def problems(plan: Plan) -> list[str]:
    return [problem.text for problem in plan.problems]


def remembered(plan: Plan) -> frozenset[str]:
    """What is remembered once all changes have succeeded."""
    return plan.kept.union(*(change.digests for change in plan.changes))


def parsed(**document: Any) -> Declaration:
    return desired.parse(json.dumps(document))


def test_what_is_left_out_is_not_declared() -> None:
    assert parsed(roles=[{"name": "app"}], databases=[{"name": "shop"}]) == Declaration((Role("app"),), (Database("shop"),))
    assert parsed() == Declaration()
    assert parsed(later=1, roles=[{"name": "app", "later": 1}]) == Declaration((Role("app"),)), "a newer chart may have written it"
    assert parsed(roles=[{"name": "a", "validUntil": "2030-01-31"}]).roles[0].valid_until == "2030-01-31T00:00:00+00:00"
    assert parsed(roles=[{"name": "a", "memberOf": []}]).roles[0].member_of == ()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"roles": [{}]}, r"roles\[0\].name: None is not allowed"),
        ({"roles": [{"name": "postgres"}]}, "postgres is reserved"),
        ({"roles": [{"name": "pg_x"}]}, "pg_x is reserved"),
        ({"databases": [{"name": "template0"}]}, "template0 is reserved"),
        ({"databases": [{"name": "a", "schemas": [{"name": "pg_x"}]}]}, "pg_x is PostgreSQL's own"),
        ({"roles": [{"name": "ä" * 32}]}, "is longer than 63 bytes"),
        ({"roles": [{"name": "a\0"}]}, "not allowed"),
        ({"roles": [{"name": "a", "login": "yes"}]}, r"roles\[0\].login: 'yes' is not allowed; true or false"),
        ({"roles": [{"name": "a", "connectionLimit": -2}]}, "connectionLimit: -2"),
        ({"roles": [{"name": "a", "validUntil": "soon"}]}, "'soon' is not a time"),
        ({"roles": [{"name": "a", "ensure": "gone"}]}, "ensure: 'gone'"),
        ({"roles": [{"name": "a", "passwordSecret": {"name": "../x"}}]}, "is not a name"),
        ({"roles": {}}, "roles.json.roles: expected a list"),
        ({"databases": [{"name": "a", "settings": {"x": []}}]}, "settings.x"),
        ({"databases": [{"name": "a", "settings": {"ha_postgres.declared": ""}}]}, "ha_postgres.declared is reserved"),
    ],
)
def test_what_can_not_be_read_is_said_with_its_path(document: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parsed(**document)


def test_a_role_that_does_not_exist_is_created_with_all_of_it_at_once_and_then_its_memberships() -> None:
    role = Role("app", flags=(("login", True), ("inherit", True)), connection_limit=5, member_of=("g",), password=ENTRY)
    plan = of_role(role, g=FoundRole("g"))
    create, grant = plan.changes
    assert create.statements[:3] == (CreateRole("app"), SetFlag("app", "login", True), SetConnectionLimit(Kind.ROLE, "app", 5))
    (password,) = create.statements[3:]
    assert isinstance(password, SetPassword)
    assert scram.fits_scram(password.verifier, "secret")
    assert grant.statements == (Grant("g", "app"),)
    assert "SCRAM" not in repr(plan)
    made = FoundRole(
        "app", frozenset({"login", "inherit"}), 5, groups=(("g", "postgres"),), stored=password.verifier, memory=remembered(plan)
    )
    again = of_role(role, made)
    assert (again.changes, again.problems, again.kept) == ((), (), made.memory)


def test_what_differs_is_changed_at_first_and_when_the_declaration_changes_and_reported_otherwise() -> None:
    role = Role("app", flags=(("createdb", True),), valid_until="2030-01-01T00:00:00+00:00", member_of=())
    found = FoundRole("app", groups=(("g", "boss"), ("h", None)))
    first = of_role(role, found)
    assert statements(first) == [
        SetFlag("app", "createdb", True),
        SetValidUntil("app", "2030-01-01T00:00:00+00:00"),
        Revoke("g", "app", "boss"),
        Revoke("h", "app", None),
    ]
    drifted = FoundRole("app", groups=found.groups, memory=remembered(first))
    later = of_role(role, drifted)
    assert later.changes == ()
    assert all(problem.is_drift for problem in later.problems)
    assert problems(later)[0] == "role app: createdb true is declared, but somebody has changed it: createdb false"
    assert later.kept == drifted.memory
    changed = of_role(Role("app", flags=(("createdb", True), ("login", True))), drifted)
    assert statements(changed) == [SetFlag("app", "login", True)], "drift of what did not change is left"
    back = FoundRole("app", memory=remembered(of_role(Role("app", flags=(("createdb", False),)), drifted)))
    assert statements(of_role(Role("app", flags=(("createdb", True),)), back)) == [SetFlag("app", "createdb", True)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "1970-01-01T00:00:00+00:00"), (float("inf"), "infinity"), (1e12, "infinity"), (float("-inf"), "distant past")],
)
def test_a_time_that_was_changed_by_hand_is_said_as_a_time(seconds: float, words: str) -> None:
    role = Role("app", valid_until="2030-01-01T00:00:00+00:00")
    memory = remembered(of_role(role, FoundRole("app")))
    (text,) = problems(of_role(role, FoundRole("app", valid_until=seconds, memory=memory)))
    assert words in text


def test_a_password_is_always_that_of_the_secret() -> None:
    role = Role("app", password=ENTRY)
    fits = FoundRole("app", stored=scram.scram("secret", SALT))
    assert of_role(role, fits).changes == ()
    (statement,) = statements(of_role(role, FoundRole("app", stored="md5x")))
    assert isinstance(statement, SetPassword)
    assert statements(of_role(role, FoundRole("app"), method="md5")) == [SetPassword("app", scram.md5("secret", "app"))]
    assert of_role(role, FoundRole("app", stored=scram.md5("secret", "app")), method="md5").changes == ()


def test_without_a_usable_password_the_last_one_stays() -> None:
    role = Role("app", password=Entry("login", "other"))
    assert statements(of_role(role)) == [CreateRole("app")]
    assert problems(of_role(role))[0].startswith("role app: no usable password in Secret login, key other; it has none yet")
    stays = of_role(role, FoundRole("app", stored="x"))
    assert (stays.changes, "the previous one stays in effect" in problems(stays)[0]) == ((), True)


def test_groups_come_before_their_members_and_an_unknown_one_is_said() -> None:
    declared = [Role("a", member_of=("b",)), Role("b", member_of=("c",)), Role("c", member_of=("a",)), Role("d", member_of=("e",))]
    plans = roles.plan(declared, {}, {}, method="md5", salt=SALT)
    assert [plan.name for plan in plans] == ["c", "b", "a", "d"]
    assert problems(plans[-1]) == ["role d: memberOf: there is no role e; declare it in roles, or create it"]
    assert statements(plans[-1]) == [CreateRole("d")]


def test_a_role_is_removed_only_if_that_is_said_and_nothing_depends_on_it() -> None:
    declared = [Role("old", present=False), Role("gone", present=False), Role("kept")]
    found = {"old": FoundRole("old"), "kept": FoundRole("kept"), "other": FoundRole("other")}
    (plan,) = roles.removals(declared, found)
    assert statements(plan) == [DropRole("old")]
    (plan,) = roles.removals(declared, {"old": FoundRole("old", used_in=("shop", ""))})
    assert statements(plan) == []
    assert "it owns objects or has rights to some (shared objects, shop); run REASSIGN OWNED and DROP OWNED" in problems(plan)[0]


def test_a_database_is_created_from_template0_if_it_has_its_own_encoding() -> None:
    declared = [Database("a", owner="app"), Database("b", encoding="LATIN1"), Database("c", locale="C", template="t"), Database("d", False)]
    plans = databases.existence(declared, {}, {"app"})
    assert [statement for plan in plans for statement in statements(plan)] == [
        CreateDatabase("a", "app", None, None, None),
        CreateDatabase("b", None, "LATIN1", None, "template0"),
        CreateDatabase("c", None, None, "C", "t"),
    ]
    (plan,) = databases.existence([Database("a", owner="nobody")], {}, {"app"})
    assert problems(plan) == ["database a: there is no role nobody; declare it in roles, or create it"]


def test_a_database_is_removed_only_if_that_is_said_and_nobody_uses_it() -> None:
    gone = Database("shop", present=False)
    (plan,) = databases.existence([gone], {"shop": SHOP}, ())
    assert statements(plan) == [DropDatabase("shop")]
    (plan,) = databases.existence([gone], {"shop": FoundDatabase("shop", "a", "b", "c", "d", sessions=2)}, ())
    assert (statements(plan), problems(plan)) == ([], ["database shop: can't be removed while 2 sessions use it; end them"])
    assert databases.existence([Database("shop")], {"shop": SHOP, "other": SHOP}, ()) == ()


def test_the_properties_of_a_database() -> None:
    settings = (("search_path", '"$user", "a,b" ,public'), ("jit", None), ("work_mem", "4MB"))
    declared = Database("shop", owner="app", connection_limit=9, settings=settings)
    now = FoundDatabase("shop", "postgres", "UTF8", "C", "C", settings=(("jit", "off"), ("other", "1")))
    first = of_database(declared, now)
    assert statements(first) == [
        SetOwner(Kind.DATABASE, "shop", "app"),
        SetConnectionLimit(Kind.DATABASE, "shop", 9),
        SetParameter("shop", "search_path", ("$user", "a,b", "public")),
        SetParameter("shop", "jit", ()),
        SetParameter("shop", "work_mem", ("4MB",)),
    ]
    stored = (("search_path", '"$user", "a,b", public'), ("work_mem", "4MB"))
    made = FoundDatabase("shop", "app", "UTF8", "C", "C", 9, settings=stored, memory=remembered(first))
    assert (of_database(declared, made).changes, of_database(declared, made).problems) == ((), ())


def test_what_is_in_a_database() -> None:
    declared = Database(
        "shop",
        schemas=(Schema("new", owner="app"), Schema("there", owner="app"), Schema("old", present=False), Schema("odd", owner="nobody")),
        extensions=(
            Extension("trgm", version="1.6"),
            Extension("plain", schema="new"),
            Extension("gone", present=False),
            Extension("missing"),
            Extension("there", version="3"),
            Extension("lost", schema="nowhere"),
        ),
    )
    contents = Contents(
        extensions=(("trgm", "1.5"), ("gone", "1"), ("there", "2")),
        schemas=(("there", "postgres"), ("old", "postgres")),
        available=(("trgm", "1.5"), ("trgm", "1.6"), ("plain", "1"), ("there", "2"), ("lost", "1")),
    )
    plan = of_database(declared, contents=contents)
    assert statements(plan) == [
        CreateSchema("new", "app"),
        SetOwner(Kind.SCHEMA, "there", "app"),
        UpdateExtension("trgm", "1.6"),
        CreateExtension("plain", None, "new"),
        DropExtension("gone"),
        DropSchema("old"),
    ]
    assert {change.database for change in plan.changes} == {"shop"}
    assert list(dict.fromkeys(problems(plan))) == [
        "database shop: there is no role nobody; declare it in roles, or create it",
        "database shop: extension missing is not available; use an image that has it",
        "database shop: extension there has no version 3; the image has 2",
        "database shop: extension lost: there is no schema nowhere; declare it in schemas",
    ]


def test_what_is_fixed_at_the_creation_is_a_problem_only_if_it_differs() -> None:
    now = FoundDatabase("shop", "postgres", "UTF8", "en_US.utf8", "C")
    assert of_database(Database("shop", encoding="utf-8"), now).problems == ()
    assert of_database(Database("shop", encoding="unicode", template="t"), now).problems == ()
    texts = problems(of_database(Database("shop", encoding="LATIN1", locale="en_US.UTF-8"), now))
    assert len(texts) == 2
    assert texts[0].startswith("database shop: encoding LATIN1 is declared, and it was created with UTF8, which can't be changed")
    assert "locale en_US.UTF-8 is declared, and it was created with C" in texts[1]


def test_a_database_that_accepts_no_connections_is_not_looked_into() -> None:
    plan = databases.plan(Database("shop", connection_limit=1, schemas=(Schema("s"),)), SHOP, None, set())
    assert statements(plan) == [SetConnectionLimit(Kind.DATABASE, "shop", 1)]
    assert problems(plan) == ["database shop: accepts no connections, so its schemas and extensions are not looked at"]

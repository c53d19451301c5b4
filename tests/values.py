"""Values of every type, as SQL, chosen for what is hard to keep: what looks equal and is not, and what a session's
settings spell in another way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A type, with what must be there first; every two values that follow each other differ in their bits."""

    type: str
    values: tuple[str, ...]
    setup: tuple[str, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.type


NAUGHTY = (
    "''",
    "' '",
    "'null'",
    "'NULL'",
    "'\"'",
    "'{}'",
    "'\"***\"'",
    "E'\\\\'",
    "E'\\\\\\\\x00'",
    "E'\\\\u0041'",
    "E'tab\\tnew\\nline\\r\\x01\\x1f\\x7f'",
    "'it''s \"quoted\" \\ % %s %% :name $1 $$ {0}'",
    "'ünïcödé 漢字 🦄 ' || chr(8232) || chr(65534) || chr(1114111)",
    "'é'",
    "'e' || chr(769)",
    "' lead and trail '",
    "repeat('long ', 100000)",
)
GROUPS = {
    "numbers": [
        Kind("smallint", ("-32768", "32767", "0")),
        Kind("integer", ("-2147483648", "2147483647", "0")),
        Kind("bigint", ("-9223372036854775808", "9223372036854775807", "9007199254740993")),
        Kind("boolean", ("true", "false")),
        Kind(
            "numeric",
            (
                "1.0",
                "1.00",
                "1",
                "0",
                "0.000",
                "'NaN'",
                "'Infinity'",
                "'-Infinity'",
                "1e400",
                "1e-400",
                "-12345678901234567890.1234567890",
            ),
        ),
        Kind("numeric(10,2)", ("1", "-99999999.99", "'NaN'")),
        Kind("numeric(3,-2)", ("12300", "99900")),
        Kind("real", ("'-0'", "0", "'NaN'", "'inf'", "'-inf'", "0.1", "1e-45", "3.4028235e38", "16777217")),
        Kind(
            "double precision",
            (
                "'-0'",
                "0",
                "'NaN'",
                "'inf'",
                "'-inf'",
                "0.1",
                "0.1::float8 + 0.2",
                "5e-324",
                "1.7976931348623157e308",
                "9007199254740993",
            ),
        ),
        Kind("money", ("-1234567.89", "0", "'-92233720368547758.08'::money", "0.01")),
    ],
    "text": [
        Kind("text", NAUGHTY),
        Kind("varchar(40)", ("'a'", "'a '", "''", "'null'", "repeat('ü', 40)")),
        Kind("char(5)", ("'a'", "'ab'", "''", "'é'")),
        Kind("bpchar", ("'a'", "'a  '", "' a'")),
        Kind('"char"', ("'a'", "''", "'\"'", r"E'\\'", '(-100)::"char"')),
        Kind("name", ("'a'", "repeat('x', 63)", "'a\"b'")),
        Kind("uuid", ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'")),
    ],
    "documents": [
        Kind(
            "json",
            (
                "'{\"a\":1}'",
                "'{ \"a\" : 1 }'",
                '\'{"a":1, "a":2}\'',
                "'null'",
                "' null'",
                "'\"x\"'",
                "'1.0'",
                "'1.00'",
                "'[1,\n2 ]'",
                r"""'{"\u0000": "\ud83e\udd84"}'""",
            ),
        ),
        Kind(
            "jsonb",
            ("'null'", "'\"null\"'", "'1.0'", "'1.00'", '\'{"b": 1, "a": [null, -0.0, "\\\\"]}\'', "'\"***\"'"),
        ),
        Kind("jsonpath", ("'$.a[*] ? (@ > 1)'", "'strict $'")),
        Kind("tsvector", ("''", "'a:1A b:2,3'", "'''it''''s'':1 ''a b'' \\\\'")),
        Kind("tsquery", ("'a & !b'", "'''a b'':*A <-> c'")),
        Kind("bytea", (r"'\x'", r"'\x00ff'", r"'\x5c5c'", "decode(repeat('00ff27225c', 50000), 'hex')")),
    ],
    "times": [
        Kind("date", ("'2024-02-03'", "'0044-03-15 BC'", "'infinity'", "'-infinity'", "'5874897-12-31'")),
        Kind("time", ("'23:59:59.999999'", "'24:00'", "'00:00'")),
        Kind("time(0)", ("'23:59:59'", "'00:00'")),
        Kind("timetz", ("'12:00+00'", "'13:00+01'", "'12:00:00.000001-15:59:59'")),
        Kind(
            "timestamp",
            (
                "'2024-02-03 04:05:06.000007'",
                "'2024-03-02 04:05:06'",
                "'0044-03-15 00:00 BC'",
                "'infinity'",
                "'-infinity'",
                "'294276-12-31 23:59:59.999999'",
            ),
        ),
        Kind(
            "timestamptz",
            (
                "'2024-02-03 04:05:06.000007+00'",
                "'2024-10-27 00:30+00'",
                "'2024-10-27 01:30+00'",
                "'1850-01-01 00:00+00'",
                "'0044-03-15 00:00+00 BC'",
                "'infinity'",
                "'-infinity'",
            ),
        ),
        Kind("timestamptz(3)", ("'2024-02-03 04:05:06.007+00'", "'2024-02-03 04:05:06+00'")),
        Kind(
            "interval",
            (
                "'1 mon'",
                "'30 days'",
                "'720:00:00'",
                "'-1 mon +30 days -720:00:00.000001'",
                "'1 year -1 day'",
                "'0'",
                "'-0.000001 s'",
                "'1000000 years'",
            ),
        ),
        Kind("interval day to second(2)", ("'1 02:03:04.05'", "'-1 day'")),
    ],
    "bits, networks, numbers of the system": [
        Kind("inet", ("'10.0.0.1'", "'10.0.0.1/8'", "'::1'", "'::ffff:1.2.3.4/128'")),
        Kind("cidr", ("'10.0.0.0/8'", "'::/0'")),
        Kind("macaddr", ("'08:00:2b:01:02:03'", "'00:00:00:00:00:00'")),
        Kind("macaddr8", ("'08:00:2b:01:02:03:04:05'", "'00:00:00:00:00:00:00:00'")),
        Kind("bit(5)", ("B'10101'", "B'00000'")),
        Kind("bit varying", ("B''", "B'0'", "B'00'", "B'1'")),
        Kind("oid", ("4294967295", "0")),
        Kind("regclass", ("'kept'", "'pg_class'", "'\"Weird.name\"'", "0"), ('create table "Weird.name" ()',)),
        Kind("regtype", ("'kept'", "'timestamptz'", "'int4[]'")),
        Kind("regprocedure", ("'sum(int4)'", "0")),
        Kind("xid8", ("'18446744073709551615'", "'0'")),
        Kind("pg_lsn", ("'0/0'", "'FFFFFFFF/FFFFFFFF'")),
        Kind("int2vector", ("'1 2'", "''")),
    ],
    "geometry": [
        Kind("point", ("'(0,-0)'", "'(0,0)'", "'(0.1,1e300)'", "'(NaN,Infinity)'")),
        Kind("line", ("'{1,-1,0.1}'", "'{1,-1,0.2}'")),
        Kind("lseg", ("'[(0,0),(1,0.1)]'", "'[(0,0),(1,0.3)]'")),
        Kind("box", ("'((1,1),(0,0))'", "'((0.1,1),(0,0))'")),
        Kind("path", ("'[(0,0),(1,0.1)]'", "'((0,0),(1,0.1))'")),
        Kind("polygon", ("'((0,0),(1,0.1),(0,1))'", "'((0,0),(1,0.3),(0,1))'")),
        Kind("circle", ("'<(0,0),0.1>'", "'<(0,0),0.3>'")),
    ],
    "arrays": [
        Kind(
            "integer[]",
            ("'{}'", "'{1,NULL,3}'", "'[0:1]={1,2}'", "'[-1:0][2:3]={{1,2},{3,4}}'", "'{1,2}'", "'{{{1}}}'"),
        ),
        Kind(
            "text[]",
            (
                "'{}'",
                "'{NULL}'",
                "'{\"NULL\"}'",
                "'{\"\"}'",
                r"""array['a,b', '{', '}', '"', E'\\', ' ', 'null', E'\n']""",
                "'[5:5]={x}'",
            ),
        ),
        Kind("float8[]", ("'{-0,0,NaN,inf}'", "'{0,0,NaN,inf}'", "array[0.1, 1e-300]")),
        Kind("numeric[]", ("'{1.0,1.00}'", "'{1.00,1.0}'")),
        Kind(
            "timestamptz[]", ("'{\"2024-02-03 04:05:06.000007+00\",infinity,NULL}'", "'{\"2024-03-02 04:05:06+00\"}'")
        ),
        Kind("date[]", ("'{2024-02-03}'", "'{2024-03-02,infinity}'")),
        Kind("interval[]", ("'{1 mon,-1 day}'", "'{30 days,-1 day}'")),
        Kind("bytea[]", (r"array['\x00ff'::bytea, '\x5c'::bytea]", r"array['\x'::bytea]")),
        Kind("money[]", ("array[(-1234.5)::numeric::money]", "array[1.2::numeric::money, null]")),
        Kind(
            "jsonb[]",
            ('array[\'null\'::jsonb, null, \'{"a": "\\""}\'::jsonb]', "array['1.0'::jsonb]", "array['1.00'::jsonb]"),
        ),
        Kind("box[]", ("'{(1,1),(0,0);(0.1,0.1),(0,0)}'", "'{(1,1),(0,0)}'")),
    ],
    "ranges": [
        Kind("int4range", ("'empty'", "'[1,5)'", "'(,)'", "'(,5)'")),
        Kind("numrange", ("'[1.0,2)'", "'[1.00,2)'", "'(1.0,2]'", "'empty'")),
        Kind("tstzrange", ("'[2024-02-03 04:05:06.000007+00,infinity]'", "'[2024-03-02 00:00+00,)'", "'(,)'")),
        Kind("daterange", ("'[2024-02-03,2024-03-02)'", "'[2024-02-03,infinity]'")),
        Kind("int8multirange", ("'{}'", "'{[1,3),[5,)}'")),
        Kind("tstzmultirange", ("'{[2024-02-03 04:05:06+00,2024-03-02 04:05:06+00)}'", "'{}'")),
        Kind(
            "span",
            ("'[0.1,0.3]'", "'[-0,0]'", "'[0,0]'"),
            ("create type span as range (subtype = float8)",),
            "range of one's own",
        ),
    ],
    "types of one's own": [
        Kind("mood", ("'it''s ok'", "'Ω'", "''"), ("create type mood as enum ('it''s ok', 'Ω', '')",), "enum"),
        Kind("mood[]", ("'{\"it''s ok\",NULL}'", "'{Ω,\"\"}'"), name="array of enums"),
        Kind("even", ("'2.0'", "'2.00'"), ("create domain even as numeric check (value % 2 = 0)",), "domain"),
        Kind(
            "day_list",
            ("'{2024-02-03}'", "'{2024-03-02}'"),
            ("create domain day as date not null", "create domain day_list as day[]"),
            "domain over an array of domains",
        ),
        Kind(
            "pair",
            (
                "row(1.0, '2024-02-03 04:05:06+00', '1 mon', '\\x00', E'a\"b\\\\,(', 0.1)",
                "row(1.00, '2024-02-03 04:05:06+00', '1 mon', '\\x00', E'a\"b\\\\,(', 0.1)",
                "row(null, null, null, null, '', '-0')",
                "row(null, null, null, null, null, '-0')",
            ),
            ("create type pair as (n numeric, t timestamptz, i interval, b bytea, s text, f float8)",),
            "composite",
        ),
        Kind(
            "couple[]",
            ("array[row(0.1, '1 mon'), null]::couple[]", "array[row(0.1, '30 days')]::couple[]"),
            ("create type couple as (f float8, i interval)",),
            "array of composites",
        ),
        Kind(
            "bare",
            ("row(0.1, '2024-02-03')", "row(0.3, '2024-03-02')"),
            ("create type inner_bare as (f float8, d date)", "create domain bare as inner_bare"),
            "domain over a composite",
        ),
    ],
}
ELSEWHERE = [
    Kind("xml", ("'<a  x=\"1\"/>'", "'text &amp; <b/>'", "xmlparse(document '<?xml version=\"1.0\"?><a/>')", "''")),
    Kind("citext", ("'a'", "'A'"), ("create extension citext",)),
    Kind("hstore", ("'a=>NULL, b=>\"NULL\"'", "''"), ("create extension hstore",)),
    Kind("ltree", ("'a.b'", "''"), ("create extension ltree",)),
    Kind(
        'text collate "blind"',
        ("'a'", "'A'"),
        ("create collation blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",),
        "text that is equal without case",
    ),
]
"""What only some servers are built with."""

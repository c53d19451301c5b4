alter table "shop"."people" add column "full_name" TEXT;

create or replace function "shop"."hf_expand_people_full_name"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps name and full_name of people the same, for code that writes the one and code that writes the other.
#variable_conflict use_column
declare
    v_row record;
begin
    if tg_op = 'INSERT' then
        if new."full_name" is null then
            new."full_name" := new."name";
            return new;
        elsif new."name" is null then
            new."name" := new."full_name";
            return new;
        end if;
    elsif row(new."full_name")::record *= row(old."full_name")::record then
        if row(new."name")::record *= row(old."name")::record is not true or new."full_name" is null then
            new."full_name" := new."name";
        end if;
        return new;
    end if;
    v_row := new;
    v_row."full_name" := new."name";
    if row(v_row."full_name")::record *= row(new."full_name")::record then
        return new;
    end if;
    if tg_op = 'UPDATE' then
        if row(new."name")::record *= row(old."name")::record then
            new."name" := new."full_name";
            return new;
        end if;
    end if;
    v_row."name" := new."full_name";
    if row(v_row."name")::record *= row(new."name")::record then
        return new;
    end if;
    raise exception using errcode = 'HF465',
        message = 'name and full_name of people were written with values that differ.',
        hint = 'Write one of them: the other follows.',
        table = 'people', column = 'full_name';
end
$holdfast$;

comment on function "shop"."hf_expand_people_full_name"() is 'holdfast-expand {"old": "name", "new": "full_name", "up": null, "down": null, "default": null, "not_null": false}';

revoke all on function "shop"."hf_expand_people_full_name"() from public;

create trigger "zz_holdfast_expand_full_name"
before insert or update on "shop"."people"
for each row
execute function "shop"."hf_expand_people_full_name"();

alter table "shop"."people" add column "cents" BIGINT;

alter table "shop"."people" alter column "amount" drop default;

create or replace function "shop"."hf_expand_people_cents"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps amount and cents of people the same, for code that writes the one and code that writes the other.
#variable_conflict use_column
declare
    v_row record;
begin
    if tg_op = 'INSERT' then
        if new."amount" is null and new."cents" is null then
            new."amount" := 0;
        end if;
        if new."cents" is null then
            new."cents" := (select amount * 100 from (values (new."amount")) as "people" ("amount"));
            return new;
        elsif new."amount" is null then
            new."amount" := (select cents / 100 from (values (new."cents")) as "people" ("cents"));
            return new;
        end if;
    elsif row(new."cents")::record *= row(old."cents")::record then
        if row(new."amount")::record *= row(old."amount")::record is not true or new."cents" is null then
            new."cents" := (select amount * 100 from (values (new."amount")) as "people" ("amount"));
        end if;
        return new;
    end if;
    v_row := new;
    v_row."cents" := (select amount * 100 from (values (new."amount")) as "people" ("amount"));
    if row(v_row."cents")::record *= row(new."cents")::record then
        return new;
    end if;
    if tg_op = 'UPDATE' then
        if row(new."amount")::record *= row(old."amount")::record then
            new."amount" := (select cents / 100 from (values (new."cents")) as "people" ("cents"));
            return new;
        end if;
    end if;
    v_row."amount" := (select cents / 100 from (values (new."cents")) as "people" ("cents"));
    if row(v_row."amount")::record *= row(new."amount")::record then
        return new;
    end if;
    raise exception using errcode = 'HF465',
        message = 'amount and cents of people were written with values that differ.',
        hint = 'Write one of them: the other follows.',
        table = 'people', column = 'cents';
end
$holdfast$;

comment on function "shop"."hf_expand_people_cents"() is 'holdfast-expand {"old": "amount", "new": "cents", "up": "amount * 100", "down": "cents / 100", "default": "0", "not_null": false}';

revoke all on function "shop"."hf_expand_people_cents"() from public;

create trigger "zz_holdfast_expand_cents"
before insert or update on "shop"."people"
for each row
execute function "shop"."hf_expand_people_cents"();

alter table "shop"."people" alter column "fax" drop not null;

alter table "shop"."people" alter column "fax" drop default;

create sequence "shop"."hf_written_people_fax";

create or replace function "shop"."hf_expand_people_fax"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Writes down when fax of shop.people was last written, until it is dropped.
begin
    if tg_op = 'INSERT' then
        if new."fax" is null then
            return new;
        end if;
    elsif row(new."fax")::record *= row(old."fax")::record then
        return new;
    end if;
    perform setval('"shop"."hf_written_people_fax"', (extract(epoch from clock_timestamp()) * 1000)::bigint);
    return new;
end
$holdfast$;

revoke all on function "shop"."hf_expand_people_fax"() from public;

create trigger "zz_holdfast_expand_fax"
before insert or update on "shop"."people"
for each row
execute function "shop"."hf_expand_people_fax"();

create table customers (
    id integer primary key,
    name text not null,
    email text not null unique
);

create table orders (
    id integer primary key,
    customer_id integer not null references customers on delete cascade,
    status text not null,
    total numeric(10, 2) not null
);

create table order_items (
    order_id integer not null references orders on delete cascade,
    product text not null,
    quantity integer not null,
    primary key (order_id, product)
);

insert into customers (id, name, email) values
    (1, 'Ada', 'ada@example.com'), (2, 'Grace', 'grace@example.com'), (3, 'Edsger', 'edsger@example.com');

insert into orders (id, customer_id, status, total) values
    (1, 1, 'paid', 120.00), (2, 1, 'new', 15.50), (3, 2, 'paid', 99.90), (4, 3, 'new', 7.25);

insert into order_items (order_id, product, quantity) values
    (1, 'lamp', 2), (1, 'bulb', 4), (2, 'cable', 1), (3, 'desk', 1), (4, 'pen', 5);

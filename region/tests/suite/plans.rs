//! How the databases find a page of a list: along an index, however deep it is. What this takes in time is for the benches.

use diesel::{
    QueryResult, RunQueryDsl,
    connection::SimpleConnection,
    dsl::sql,
    prelude::*,
    query_builder::{AstPass, Query as Typed, QueryFragment, QueryId},
    sql_types::{Integer, Text},
};
use region::db::{
    Backend, Conn, DbError,
    condition::{Condition, Operator, Value, Way},
    listing, schema,
    stored::Query,
};
use std::marker::PhantomData;

use crate::{network, support::on_both};

/// Enough that no database takes reading all of them for the shorter way.
const ROWS: u32 = 5_000;

/// A statement that tells how it would be carried out, in rows of this type.
struct Explain<Q, Row>(Q, PhantomData<Row>);

impl<Q: QueryFragment<Backend>, Row> QueryFragment<Backend> for Explain<Q, Row> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql(match out.backend() {
            Backend::Postgres(_) => "EXPLAIN ",
            Backend::Sqlite(_) => "EXPLAIN QUERY PLAN ",
        });
        self.0.walk_ast(out)
    }
}

impl<Q, Row> QueryId for Explain<Q, Row> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, Row> Typed for Explain<Q, Row> {
    type SqlType = Row;
}

impl<Q, Row> RunQueryDsl<Conn> for Explain<Q, Row> {}

fn explain(conn: &mut Conn, statement: impl QueryFragment<Backend>) -> Vec<String> {
    match conn {
        Conn::Postgres(_) => Explain::<_, Text>(statement, PhantomData).load(conn).unwrap(),
        Conn::Sqlite(_) => {
            let explain = Explain::<_, (Integer, Integer, Integer, Text)>(statement, PhantomData);
            let rows: Vec<(i32, i32, i32, String)> = explain.load(conn).unwrap();
            rows.into_iter().map(|(.., detail)| detail).collect()
        }
    }
}

/// The plan of the statement that lists have.
macro_rules! plan {
    ($conn:expr, $table:ident, $query:expr) => {{
        let query: Query = $query;
        let mut statement = schema::$table::table
            .select((schema::$table::id, schema::$table::key, schema::$table::updated_at))
            .order_by(sql::<Text>(&query.order_sql()))
            .limit(query.limit)
            .offset(query.skip)
            .into_boxed::<Backend>();
        for clause in query.clauses::<schema::$table::table>(stringify!($table)) {
            statement = statement.filter(clause);
        }
        explain($conn, statement)
    }};
}

/// Nothing is read through that is not on the page, but for rows that the order does not tell apart.
fn follows_an_index(plan: &[String]) -> bool {
    let any = |words: &str| plan.iter().any(|line| line.contains(words));
    let sorts = any("TEMP B-TREE FOR ORDER BY")
        || plan.iter().any(|line| line.trim_start_matches([' ', '-', '>']).starts_with("Sort  "));
    (any("USING INDEX") || any("Index Scan")) && !any("Seq Scan") && !sorts
}

fn page(order: &'static str, descending: bool) -> Query {
    Query { order, descending, limit: 51, ..Query::all(Vec::new()) }
}

/// Beyond a row in the middle.
fn deep(order: &'static str, descending: bool) -> Query {
    let operator = if descending { Operator::Below } else { Operator::Above };
    let value = match order {
        "ends_at" => Value::Int(i64::from(ROWS / 2)),
        "address" | "cidr" => Value::Bytes(b"0000000000002500".into()),
        "mac" => Value::Text("m2500".into()),
        "host_name" => Value::Text("h2500".into()),
        _ => Value::Text("k2500".into()),
    };
    let id = b"0000000000002500".to_vec();
    let place = Condition::Place { column: order, operator, value, id };
    Query { places: vec![place], ..page(order, descending) }
}

fn fill(conn: &mut Conn) -> QueryResult<()> {
    let (bytes, no) = match conn {
        Conn::Postgres(_) => ("convert_to(lpad(i::text, 16, '0'), 'UTF8')", "''::bytea"),
        Conn::Sqlite(_) => ("CAST(printf('%016d', i) AS BLOB)", "x''"),
    };
    let numbers = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
    );
    conn.batch_execute(&format!(
        "INSERT INTO leases (id, key, revision, created_at, updated_at, address, state, mac, client_id, host_name, vlan, subnet, rack, \
         relay_information, started_at, ends_at) {numbers} \
         SELECT {bytes}, 'k' || i, 1, 0, 0, {bytes}, 'bound', 'm' || i, '', 'h' || i, {no}, {no}, {no}, '', 0, i FROM n;
         INSERT INTO subnets (id, key, revision, created_at, updated_at, vrf, vlan, cidr, gateway, dns_servers, unmanaged, note, domain, \
         search, ntp_servers, lease_seconds, next_server, boot_file, mtu, routes, options) {numbers} \
         SELECT {bytes}, 'k' || i, 1, 0, 0, (SELECT id FROM vrfs WHERE key = 'default'), (SELECT id FROM vlans WHERE key = 'dc1/10'), \
         {bytes}, {no}, '', FALSE, '', '', '', '', 600, {no}, '', 0, '', '' FROM n;
         ANALYZE"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_along_an_index() {
    on_both(async |world| {
        network(world).await;
        let check = |conn: &mut Conn| {
            fill(conn).map_err(DbError::from)?;
            for order in listing::orders("leases") {
                for descending in [false, true] {
                    for query in [page(order, descending), deep(order, descending)] {
                        let plan = plan!(conn, leases, query);
                        assert!(follows_an_index(&plan), "leases by {order}: {plan:#?}");
                    }
                    // Rows are held against any filter on the way; PostgreSQL does as its statistics say.
                    if matches!(conn, Conn::Sqlite(_)) {
                        let conditions = vec![Condition::equal("subnet", Vec::new())];
                        let query = Query { conditions, way: Way::Walk, ..deep(order, descending) };
                        let plan = plan!(conn, leases, query);
                        assert!(follows_an_index(&plan), "filtered leases by {order}: {plan:#?}");
                    }
                }
            }
            for order in listing::orders("subnets") {
                for query in [page(order, false), deep(order, true)] {
                    let plan = plan!(conn, subnets, query);
                    assert!(follows_an_index(&plan), "subnets by {order}: {plan:#?}");
                }
            }
            Ok::<_, DbError>(())
        };
        world.region.db.transaction(check).await.unwrap();
    })
    .await;
}

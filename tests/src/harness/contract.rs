//! The GraphQL contract, as introspection tells it.

use serde_json::Value;

pub struct Contract(Vec<Type>);

pub struct Type {
    pub name: String,
    /// `OBJECT`, `ENUM` and so on.
    pub kind: String,
    /// The fields of an object, or of an input.
    pub fields: Vec<Field>,
    pub values: Vec<String>,
    interfaces: Vec<String>,
}

/// A field, or an argument.
pub struct Field {
    pub name: String,
    /// The name of the field's type, without the marks around it.
    pub of: String,
    pub list: bool,
    pub required: bool,
    pub arguments: Vec<Field>,
}

const INTROSPECTION: &str = "{ __schema { types { name kind interfaces { name } enumValues { name }
    fields { name type { ...Of } args { ...Argument } } inputFields { ...Argument } } } }
    fragment Argument on __InputValue { name type { ...Of } }
    fragment Of on __Type { name kind ofType { name kind ofType { name kind ofType { name kind } } } }";

impl Contract {
    pub async fn read() -> Contract {
        let response = graphql::schema(true).execute(INTROSPECTION).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        let data = response.data.into_json().expect("JSON");
        Contract(all(&data["__schema"]["types"]).map(type_of).collect())
    }

    pub fn types(&self) -> impl Iterator<Item = &Type> {
        self.0.iter()
    }

    pub fn get(&self, name: &str) -> &Type {
        self.types().find(|one| one.name == name).unwrap_or_else(|| panic!("the contract has no {name}"))
    }
}

impl Type {
    /// Whether the type is a node, which has an id of its own.
    pub fn is_node(&self) -> bool {
        self.interfaces.iter().any(|name| name == "Node")
    }
}

impl Field {
    pub fn argument(&self, name: &str) -> Option<&Field> {
        self.arguments.iter().find(|argument| argument.name == name)
    }

    /// The type of a connection's nodes.
    pub fn paged(&self) -> Option<&str> {
        self.of.strip_suffix("Connection")
    }
}

fn all(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn name(of: &Value) -> String {
    of["name"].as_str().unwrap_or_default().to_owned()
}

fn type_of(told: &Value) -> Type {
    let names = |list| all(&told[list]).map(name).collect();
    let fields = all(&told["fields"]).chain(all(&told["inputFields"])).map(field).collect();
    let kind = told["kind"].as_str().unwrap_or_default().to_owned();
    Type { name: name(told), kind, fields, values: names("enumValues"), interfaces: names("interfaces") }
}

fn field(told: &Value) -> Field {
    let (mut of, mut list) = (&told["type"], false);
    let required = of["kind"] == "NON_NULL";
    while of["name"].is_null() {
        list |= of["kind"] == "LIST";
        of = &of["ofType"];
    }
    Field { name: name(told), of: name(of), list, required, arguments: all(&told["args"]).map(field).collect() }
}

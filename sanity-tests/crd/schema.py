"""Two ways of writing down a schema, the API server's OpenAPI and a CustomResourceDefinition, as one list of fields."""
import dataclasses

REFERENCE = "#/components/schemas/"
BY_NAME = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "anything",
}


@dataclasses.dataclass
class Field:
    """One field: `inner` are the fields below it by name, [] for a list's items and {} for a map's values."""

    type: str
    required: list
    merge: str  # how server-side apply merges it
    inner: dict


def of_openapi(document, name):
    """The field that the OpenAPI v3 document says the type `name` is."""
    schemas = document["components"]["schemas"]

    def read(schema):
        if "allOf" in schema:  # a reference beside a description or a default
            (schema,) = schema["allOf"]
        if "$ref" in schema:
            referred = schema["$ref"].removeprefix(REFERENCE)
            if referred in BY_NAME:
                return Field(BY_NAME[referred], [], "", {})
            return read(schemas[referred])
        return composed(schema, kind_of(schema), read)

    return read(schemas[name])


def of_crd(schema):
    """The field that a schema of a CustomResourceDefinition is."""
    if schema.get("x-kubernetes-int-or-string"):
        return Field("int-or-string", [], "", {})
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        # The one that takes numbers with a fraction has no type; it says what it refuses instead.
        return Field("anything" if "type" in schema else "quantity", [], "", {})
    return composed(schema, kind_of(schema), of_crd)


def kind_of(schema):
    return "/".join(filter(None, [schema["type"], schema.get("format")]))


def composed(schema, kind, read):
    inner = {name: read(below) for name, below in schema.get("properties", {}).items()}
    if "items" in schema:
        inner["[]"] = read(schema["items"])
    if "additionalProperties" in schema:
        inner["{}"] = read(schema["additionalProperties"])
    return Field(kind, sorted(schema.get("required", [])), merging(schema), inner)


def merging(schema):
    if schema["type"] == "array":
        return " ".join([schema.get("x-kubernetes-list-type", "atomic"), *schema.get("x-kubernetes-list-map-keys", [])])
    return schema.get("x-kubernetes-map-type", "granular") if schema["type"] == "object" else ""


def paths(field, path=""):
    """All fields at and below `field`, as (path, field)."""
    yield path, field
    for name, below in field.inner.items():
        yield from paths(below, path + (name if name in ("[]", "{}") else "." + name))

terraform {
  required_providers {
    fivetran = { source = "fivetran/fivetran" }
  }
}

resource "fivetran_group" "warehouse" {
  name = "Warehouse"
}

resource "fivetran_destination" "warehouse" {
  group_id         = fivetran_group.warehouse.id
  service          = "snowflake"
  region           = "AWS_US_EAST_1"
  time_zone_offset = "-5"
  config {
    host     = "acme.snowflakecomputing.com"
    port     = 443
    database = "RAW"
    user     = "LOADER"
    password = var.snowflake_password
  }
}

resource "fivetran_group" "sales" {
  for_each = toset(["de", "fr"])
  name     = "Sales ${upper(each.key)}"
}

resource "fivetran_destination" "sales" {
  for_each         = toset(["de", "fr"])
  group_id         = fivetran_group.sales[each.key].id
  service          = "postgres_warehouse"
  region           = "GCP_EUROPE_WEST3"
  time_zone_offset = "+1"
  config {
    host            = "${each.key}.db.acme.example"
    port            = 5432
    database        = "sales"
    user            = "loader"
    password        = var.postgres_password
    connection_type = "Directly"
  }
}

resource "fivetran_connector" "shop" {
  group_id        = fivetran_group.warehouse.id
  service         = "postgres"
  run_setup_tests = false
  destination_schema {
    prefix = "shop"
  }
  config {
    host     = "shop.db.acme.example"
    port     = 5432
    database = "shop"
    user     = "reader"
    password = var.shop_password
  }
  depends_on = [fivetran_destination.warehouse]
}

output "warehouse_id" {
  value = fivetran_group.warehouse.id
}

variable "snowflake_password" {
  sensitive = true
}

variable "postgres_password" {
  sensitive = true
}

variable "shop_password" {
  sensitive = true
}

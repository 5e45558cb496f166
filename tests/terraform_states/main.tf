terraform {
  required_providers { fivetran = { source = "fivetran/fivetran" } }
}
provider "fivetran" {}
provider "fivetran" { alias = "second" }

locals { countries = toset(["de", "fr", "nord & süd"]) }

resource "fivetran_group" "warehouse" { name = "Warehouse" }
resource "fivetran_destination" "warehouse" {
  group_id           = fivetran_group.warehouse.id
  service            = "snowflake"
  time_zone_offset   = "-5"
  region             = "AWS_US_EAST_1"
  trust_certificates = true
  run_setup_tests    = true
  config {
    host     = "acme.snowflakecomputing.com"
    port     = 443
    user     = "LOADER"
    password = "snow-clear-password-2"
    database = "RAW"
    auth     = "PASSWORD"
    role     = "LOADER"
  }
}

resource "fivetran_group" "sales" {
  for_each = local.countries
  name     = "Sales ${each.key}"
}
resource "fivetran_destination" "sales" {
  for_each         = local.countries
  provider         = fivetran.second
  group_id         = fivetran_group.sales[each.key].id
  service          = "big_query"
  time_zone_offset = "+1"
  region           = "GCP_EUROPE_WEST3"
  run_setup_tests  = false
  config {
    project_id        = "acme-${substr(sha1(each.key), 0, 6)}"
    data_set_location = "EU"
    secret_key        = "bigquery-clear-secret-3"
  }
}

resource "fivetran_group" "shard" {
  count = 3
  name  = "Shard ${count.index}"
}
resource "fivetran_destination" "shard" {
  count            = 3
  group_id         = fivetran_group.shard[count.index].id
  service          = "redshift"
  time_zone_offset = "0"
  region           = "AWS_EU_CENTRAL_1"
  config {
    host            = "shard${count.index}.example.com"
    port            = 5439
    user            = "loader"
    password        = "redshift-clear-password-4"
    database        = "dev"
    connection_type = "Directly"
  }
}

module "region" {
  source   = "./modules/pair"
  for_each = { eu = "eu.db.example.com", us = "us.db.example.com" }
  name     = "Region ${each.key}"
  host     = each.value
}

resource "fivetran_connector" "shop" {
  group_id = fivetran_group.warehouse.id
  service  = "postgres"
  destination_schema { prefix = "shop" }
  run_setup_tests = false
  config {
    host     = "shop.db.example.com"
    port     = 5432
    user     = "reader"
    password = "connector-clear-password-5"
    database = "shop"
  }
  depends_on = [fivetran_destination.warehouse]
}
resource "fivetran_user" "ada" {
  email       = "ada@example.com"
  given_name  = "Ada"
  family_name = "Love"
  phone       = "+123"
  role        = "Account Reviewer"
}
resource "fivetran_group_users" "warehouse" {
  group_id = fivetran_group.warehouse.id
  user {
    email = fivetran_user.ada.email
    role  = "Destination Reviewer"
  }
}
resource "fivetran_user" "bob" {
  email       = "bob@example.com"
  given_name  = "Bob"
  family_name = "Hope"
  role        = "Account Reviewer"
}
resource "fivetran_user_group_membership" "bob" {
  user_id = fivetran_user.bob.id
  group {
    group_id = fivetran_group.sales["de"].id
    role     = "Destination Reviewer"
  }
}
resource "fivetran_webhook" "de" {
  type      = "group"
  group_id  = fivetran_group.sales["de"].id
  url       = "https://hooks.example.com/x"
  secret    = "webhook-clear-secret-6"
  active    = false
  events    = ["sync_start"]
  run_tests = false
}
resource "terraform_data" "policy" {
  input = jsonencode({ external_id = module.region["eu"].group_id })
}
data "fivetran_group" "warehouse" { id = fivetran_group.warehouse.id }
output "warehouse_id" { value = fivetran_group.warehouse.id }
output "regions" { value = { for key, one in module.region : key => one.group_id } }
output "unrelated" { value = "x" }

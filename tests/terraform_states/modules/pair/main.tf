terraform {
  required_providers { fivetran = { source = "fivetran/fivetran" } }
}
variable "name" { type = string }
variable "host" { type = string }
resource "fivetran_group" "this" { name = var.name }
resource "fivetran_destination" "this" {
  group_id         = fivetran_group.this.id
  service          = "postgres_warehouse"
  time_zone_offset = "0"
  region           = "GCP_US_EAST4"
  run_setup_tests  = true
  config {
    host            = var.host
    port            = 5432
    user            = "loader"
    password        = "module-clear-password-1"
    database        = "warehouse"
    connection_type = "Directly"
  }
}
output "group_id" { value = fivetran_group.this.id }

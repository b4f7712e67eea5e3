-- What ironpxe needs of Ironic's MariaDB or MySQL database, and no more: views with the columns that
-- decide a boot. Passwords of BMCs, agents' tokens and config drives stay out of reach.
--
-- Read it first, set the password and the network that ironpxe connects from, and run it once as a
-- user who may read Ironic's database (here `ironic`) and create users. Then [beside]connection is
-- mysql://ironpxe@HOST/ironpxe_views?ssl_ca=/path/of/the/servers/ca.pem. To undo it: DROP DATABASE ironpxe_views; DROP USER ….
--
-- The views need nothing newer than Ironic 17.0, and do not change with its upgrades.

CREATE DATABASE ironpxe_views;

CREATE SQL SECURITY DEFINER VIEW ironpxe_views.nodes AS
SELECT n.id, n.uuid, n.name, n.driver, n.provision_state, n.power_state, n.maintenance, n.fault,
       n.boot_interface, n.deploy_interface, n.conductor_group, n.conductor_affinity,
       n.resource_class, n.instance_uuid, n.properties, n.extra, n.deploy_step,
       -- Everything but what a BMC or another service needs. Broken JSON stays as it is, so that
       -- the boot is refused.
       CASE WHEN json_valid(n.driver_info)
            THEN json_remove(n.driver_info, '$.redfish_password', '$.ipmi_password',
                             '$.irmc_password', '$.drac_password', '$.ilo_password',
                             '$.snmp_community', '$.agent_verify_ca')
            ELSE n.driver_info END AS driver_info,
       CASE WHEN json_valid(n.instance_info)
            THEN json_remove(n.instance_info, '$.configdrive', '$.image_url', '$.rescue_password',
                             '$.hashed_rescue_password')
            ELSE n.instance_info END AS instance_info,
       CASE WHEN json_valid(n.driver_internal_info)
            THEN json_remove(n.driver_internal_info, '$.agent_secret_token', '$.agent_verify_ca',
                             '$.agent_cached_deploy_steps', '$.agent_cached_clean_steps',
                             '$.agent_cached_service_steps', '$.deploy_steps', '$.clean_steps',
                             '$.service_steps')
            ELSE n.driver_internal_info END AS driver_internal_info
  FROM ironic.nodes n;

CREATE SQL SECURITY DEFINER VIEW ironpxe_views.ports AS
SELECT p.id, p.uuid, p.node_id, p.address, p.pxe_enabled FROM ironic.ports p;

CREATE SQL SECURITY DEFINER VIEW ironpxe_views.conductors AS
SELECT c.id, c.hostname FROM ironic.conductors c;

CREATE SQL SECURITY DEFINER VIEW ironpxe_views.volume_targets AS
SELECT t.id, t.uuid, t.node_id, t.boot_index, t.volume_type, t.volume_id, t.properties
  FROM ironic.volume_targets t;

CREATE SQL SECURITY DEFINER VIEW ironpxe_views.volume_connectors AS
SELECT k.id, k.uuid, k.node_id, k.type, k.connector_id FROM ironic.volume_connectors k;

CREATE SQL SECURITY DEFINER VIEW ironpxe_views.alembic_version AS
SELECT v.version_num FROM ironic.alembic_version v;

CREATE USER 'ironpxe'@'192.0.2.%' IDENTIFIED BY 'CHANGE-ME'
  REQUIRE SSL WITH MAX_USER_CONNECTIONS 16;
GRANT SELECT ON ironpxe_views.* TO 'ironpxe'@'192.0.2.%';

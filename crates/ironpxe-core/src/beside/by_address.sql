SELECT n.uuid, n.name, n.driver, n.provision_state, n.power_state, n.maintenance, n.fault,
       n.boot_interface, n.deploy_interface, n.conductor_group, n.resource_class, n.instance_uuid,
       n.properties, n.extra, n.driver_info, n.driver_internal_info, n.deploy_step,
       CASE WHEN json_valid(n.instance_info) THEN json_remove(n.instance_info, '$.configdrive')
            ELSE n.instance_info END AS instance_info,
       c.hostname AS conductor,
       p.uuid AS port_uuid, p.address AS port_address, p.pxe_enabled AS port_pxe_enabled,
       t.uuid AS target_uuid, t.boot_index AS target_boot_index, t.volume_type AS target_volume_type,
       t.volume_id AS target_volume_id, t.properties AS target_properties, t.id AS target_id,
       k.uuid AS iqn_uuid, k.connector_id AS iqn_connector_id, k.id AS iqn_id
  FROM ports p
  JOIN nodes n ON n.id = p.node_id
  LEFT JOIN conductors c ON c.id = n.conductor_affinity
  LEFT JOIN volume_targets t ON t.node_id = n.id
  LEFT JOIN volume_connectors k ON k.node_id = n.id AND k.type = 'iqn'
 WHERE p.address = ?
 ORDER BY target_boot_index, target_id, iqn_id

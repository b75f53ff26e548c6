-- get_schema_version --
-- The revision of the schema that this database has.
select v.version_num
from public.schema_version as v

-- Inbound messages and windows.
select 1;

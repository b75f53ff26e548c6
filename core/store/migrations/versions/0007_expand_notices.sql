-- What Meta says of accounts, numbers and templates.
select 1;

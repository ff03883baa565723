// The interface of a type of resource on AWS.
import type { Resource } from "../../../resources/index.ts";
import type { DataPlace } from "../templates/shared/data-place.ts";
import type { ResourceOutput } from "../templates/shared/outputs.ts";
import type { Statement } from "../templates/shared/policies.ts";

/** Gives the value of an output of one resource. */
export type Outputs = (output: ResourceOutput) => string;

/** Where the value of a variable comes from. What is taken from other stacks is taken when it is asked for. */
export type Source =
  | { plain: string }
  /** A path in SSM. */
  | { parameter: string }
  /** `login` is the ARN of a user and password, `url` of the whole, which only containers are given. */
  | { scheme: string; login: () => string; address: () => string; url: () => string };

export interface AwsResource<Of extends Resource = Resource> {
  /** Adds it to the stack of data. Returns its host, when it is one that is asked over the network. */
  add(place: DataPlace, name: string, resource: Of): string | undefined;
  /** Of one that is asked over the network and lets in instances of services only: what follows user and password in its URL. */
  addressAt?(host: string): string;
  /** The output that says where it is. */
  address: ResourceOutput;
  /** By the parts of their names that `variablesOf` adds to the resource's. */
  variables(resource: Of, outputs: Outputs): Record<string, Source>;
  /** The outputs with secrets that hold a user and a password. */
  logins(resource: Of): ("Login" | "LoginReadOnly")[];
  /** What a service may do with all resources of the type together. */
  statements(outputs: Outputs[]): Statement[];
  /** Why resources of a statement are not named one by one, by its Sid. */
  wildcards?: Record<string, string>;
}

interface UrlShape {
  scheme: string;
  /** What follows user and password. */
  addressAt(host: string): string;
}

/** A variable with a URL that has the user and the password of a login in it. */
export const loginSource = (outputs: Outputs, login: "Login" | "LoginReadOnly", { scheme, addressAt }: UrlShape): Source => ({
  scheme,
  login: () => outputs(login),
  address: () => addressAt(outputs("Address")),
  url: () => outputs(`${login}Url`),
});

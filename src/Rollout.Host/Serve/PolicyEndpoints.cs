using Microsoft.AspNetCore.Http;
using Rollout.Actors.Client;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Serve;

/// <summary>Pauses the decoders and replaces their weights, for whoever trains them elsewhere.</summary>
/// <param name="policy">Does it.</param>
/// <param name="root">The folder that has those of all weights.</param>
internal sealed class PolicyEndpoints(PolicyClient policy, string root)
{
    public Task QueryAsync(HttpContext http) => AnswerAsync(http, policy.QueryAsync(http.RequestAborted));

    public Task PauseAsync(HttpContext http) => AnswerAsync(http, policy.PauseAsync(http.RequestAborted));

    public Task ResumeAsync(HttpContext http) => AnswerAsync(http, policy.ResumeAsync(http.RequestAborted));

    public async Task ReplaceAsync(HttpContext http)
    {
        var body = await RequestBody.ReadAsync(http.Request, http.RequestAborted);
        var folder = FolderOf(body.Text("path") ?? throw ApiException.Invalid("path", "The request has no path."));
        PolicyVersion? version = body.Whole("version", 0, int.MaxValue) is { } number ? new PolicyVersion(number) : null;
        if (body.Unknown is [var unknown, ..])
            throw ApiException.Invalid(unknown, "The request has a field that the server does not know.", "unknown_field");
        await AnswerAsync(http, policy.ReplaceAsync(folder, version, http.RequestAborted));
    }

    private async Task AnswerAsync(HttpContext http, Task<PolicyState> asked)
    {
        try
        {
            var state = await asked;
            await ApiJson.WriteAsync(
                http.Response, 200, new { policyVersion = state.Policy.Version.Value, paused = state.IsPaused }, http.RequestAborted);
        }
        catch (PolicyRefusedException refused)
        {
            var reason = refused.Message.TrimEnd('.').Replace(root + Path.DirectorySeparatorChar, "", StringComparison.Ordinal);
            throw new ApiException(409, $"The weights stay as they are: {reason}.");
        }
    }

    /// <summary>A folder below the root; clients name no other.</summary>
    private string FolderOf(string path)
    {
        var folder = Path.GetFullPath(Path.Combine(root, path));
        return folder.StartsWith(root + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? folder
            : throw ApiException.Invalid("path", "path must name a folder below serve.weights-folder.");
    }
}

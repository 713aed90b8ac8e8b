using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Rollout.Actors.Tests.Rewards;

/// <summary>An HTTP server that answers each request as the test says, faults included.</summary>
internal sealed class JudgeServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentQueue<string?> _answers = [];
    private readonly List<TcpClient> _open = [];

    /// <param name="answers">
    /// The bytes of each answer in turn; "" closes the connection, null never answers.
    /// </param>
    public JudgeServer(params string?[] answers)
    {
        foreach (var answer in answers)
            _answers.Enqueue(answer);
        _listener.Start();
        _ = ServeAsync();
    }

    public Uri Url => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/score");

    /// <summary>Requests, headers and body.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    public static string Status(string line, string body = "", string headers = "") =>
        $"HTTP/1.1 {line}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n{headers}\r\n{body}";

    public static string Ok(string body) => Status("200 OK", body);

    public void Dispose()
    {
        _listener.Stop();
        foreach (var client in _open)
            client.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync();
                _open.Add(client);
                Requests.Enqueue(await ReadAsync(client.GetStream()));
                if (!_answers.TryDequeue(out var answer) || answer is null)
                    continue;
                await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(answer));
                client.Close();
            }
        }
        catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException or IOException)
        {
            // The test is over.
        }
    }

    private static async Task<string> ReadAsync(NetworkStream stream)
    {
        var text = new StringBuilder();
        var buffer = new byte[65536];
        while (!IsWhole(text.ToString()) && await stream.ReadAsync(buffer) is > 0 and var read)
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
        return text.ToString();
    }

    private static bool IsWhole(string request)
    {
        var head = request.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (head < 0)
            return false;
        var length = request.Split("\r\n").First(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
        return Encoding.UTF8.GetByteCount(request[(head + 4)..]) >= int.Parse(length.Split(':')[1]);
    }
}
